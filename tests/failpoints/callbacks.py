"""The ways of a saga that is paid through an engine that calls back: what its store is asked, struck at each point."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID

from mesh.errors import Refusal
from payment_svc.domain import CALLBACK
from payment_svc.settling.callbacks import Outcome, Report
from tests.failpoints.actors import Actor
from tests.failpoints.cases import Case, Flow
from tests.failpoints.flows import cancel, reconcile, the_hold_ends, until_expired, until_sold
from tutormesh.booking.v1 import booking_pb2

SOLD, EXPIRED = (booking_pb2.BOOKING_STATUS_CONFIRMED, "COMPLETED"), (booking_pb2.BOOKING_STATUS_EXPIRED, "EXPIRED")
FAILED, CANCELLED = (
    (booking_pb2.BOOKING_STATUS_PAYMENT_FAILED, "PAYMENT_FAILED"),
    (booking_pb2.BOOKING_STATUS_CANCELLED, "COMPLETED"),
)


async def book(case: Case, actor: Actor) -> None:
    await _book(case, actor, CALLBACK)


async def book_asked(case: Case, actor: Actor) -> None:
    """Through an engine that is asked for a payment session."""
    await _book(case, actor, "asked")


async def _book(case: Case, actor: Actor, engine: str) -> None:
    async with case.as_service():
        case.knows(await actor.app.purchases.lessons.book(replace(case.order(), provider=engine)))


async def decline_as_before(case: Case, actor: Actor) -> None:
    """A replica of the version before recorded the first of several attempts: reconcile makes the saga look."""
    keep = "insert into callback_attempt (callback_payment_id, reference) values ($1, 'a') on conflict do nothing"
    await case.people.world.sql("payment", keep, case.intent)
    await reconcile(case, actor)
    await actor.rest()


def told(outcome: Outcome, *references: str) -> Callable[[Case, Actor], Awaitable[None]]:
    async def tell(case: Case, actor: Actor) -> None:
        for reference in references:
            await actor.app.callbacks.receive(Report(UUID(case.booking), f"{reference} {case.booking}", outcome, ""))

    return tell


async def until_asked_back(case: Case, actor: Actor) -> None:
    """Until the engine is asked for the money: as its own look at the booking would tell it."""
    await actor.recover()
    await actor.rest()
    if not await actor.app.callbacks.providers.list_refunds(case.intent):
        raise Refusal("not yet")


def ended(booking: tuple[int, str], intent: str, *refunds: int) -> Callable[[Case], Awaitable[bool]]:
    """The end as booking, saga and the engine's own rows say: each refund asked for once, and reported."""

    async def is_so(case: Case) -> bool:
        sql, (status, state) = case.people.world.sql, booking
        rows = await sql("payment", "select status from callback_payment where saga_id = $1", UUID(case.saga_id))
        asked = "select amount_minor from callback_refund where callback_payment_id = $1 and status = 'succeeded'"
        ours = "select amount_minor from refund where payment_intent_id = $1 and status = 'SUCCEEDED'"
        return (
            await case.people.state(case.saga_id) == state
            and (await case.people.booking(case.booking)).status == status
            and [row["status"] for row in rows] == [intent]
            and [row["amount_minor"] for row in await sql("payment", asked, case.intent)] == [*refunds]
            and [row["amount_minor"] for row in await sql("payment", ours, case.intent)] == [*refunds]
            and await case.people.nothing_open(case.student)
        )

    return is_so


def asked_once(end: Callable[[Case], Awaitable[bool]]) -> Callable[[Case], Awaitable[bool]]:
    """The same end, and the engine has opened one session for the booking, which is the one we know."""

    async def is_so(case: Case) -> bool:
        ask = "select payment_id::text, session_id from callback_payment where saga_id = $1"
        rows = await case.people.world.sql("payment", ask, UUID(case.saga_id))
        opened = [case.outside.asked.sessions.get(row["payment_id"]) for row in rows]
        return await end(case) and [row["session_id"] for row in rows] == opened

    return is_so


PAID, DECLINED = told(Outcome.SUCCEEDED, "paid"), told(Outcome.FAILED, "b", "b")
BACK = told(Outcome.REFUNDED, "back")
STRUCK = ("CallbackProvider.",)
CALLBACK_FLOWS = (
    Flow("a callback", (book, PAID, PAID), 0, ended(SOLD, "succeeded"), "booking.confirmed", strikes=STRUCK),
    Flow(
        "a payment session",
        (book_asked, PAID),
        0,
        asked_once(ended(SOLD, "succeeded")),
        "booking.confirmed",
        strikes=("CallbackProvider.create_intent", "CallbackProvider.find_intent", "PaymentSessions."),
    ),
    Flow(
        "callbacks of a failure",
        (book, decline_as_before, DECLINED),
        1,
        ended(FAILED, "canceled"),
        "booking.payment_failed",
        strikes=STRUCK,
    ),
    Flow(
        "a refund called back",
        (book, PAID, until_sold, cancel, until_asked_back, BACK),
        3,
        ended(CANCELLED, "succeeded", 5000),
        "booking.confirmed booking.cancelled refund.paid",
        strikes=STRUCK,
    ),
    Flow(
        "a late callback",
        (book, the_hold_ends, until_expired, PAID, until_asked_back, BACK),
        3,
        ended(EXPIRED, "succeeded", 5000),
        "booking.expired refund.paid",
        strikes=STRUCK,
    ),
)
