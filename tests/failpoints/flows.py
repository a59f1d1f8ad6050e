"""The ways a saga can go, as stimuli from outside and the end each must have."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID

from mesh.errors import Refusal
from payment_svc.domain import CourseOrder
from tests.failpoints.actors import Actor
from tests.failpoints.cases import Case, Flow
from tutormesh.booking.v1 import booking_pb2


async def book(case: Case, actor: Actor) -> None:
    saga = await actor.app.purchases.lessons.book(case.order())
    case.knows(saga)


async def book_again_under_another_key(case: Case, actor: Actor) -> None:
    again = await actor.app.purchases.lessons.book(replace(case.order(), key="another"))
    assert str(again.id) == case.saga_id


async def pay(case: Case, _: Actor) -> None:
    if (await case.people.intent(case.intent))["status"] != "succeeded":
        await case.people.pay(case.intent)


async def pay_another_amount(case: Case, actor: Actor) -> None:
    if (await case.people.intent(case.intent))["status"] != "succeeded":
        await case.people.update_intent(case.intent, amount=700)
        await case.people.pay(case.intent)


async def decline_three_times(case: Case, actor: Actor) -> None:
    while len(await case.people.failed_charges(case.intent)) < 3:
        await case.people.pay(case.intent, "pm_card_chargeDeclined")


async def told_of_success(case: Case, actor: Actor) -> None:
    await case.deliver(actor, "payment_intent.succeeded")


async def told_of_creation(case: Case, actor: Actor) -> None:
    await case.deliver(actor, "payment_intent.created")


async def told_of_declines(case: Case, actor: Actor) -> None:
    await case.people.deliver_all(case.intent, "payment_intent.payment_failed", actor.app.webhooks.receive)


async def told_of_refund(case: Case, actor: Actor) -> None:
    await case.deliver(actor, "refund.created")


async def the_hold_ends(case: Case, actor: Actor) -> None:
    await case.people.let_the_hold_end(case.saga_id)


async def until_sold(case: Case, actor: Actor) -> None:
    await actor.recover()
    await actor.rest()
    if await case.people.state(case.saga_id) != "COMPLETED":
        raise Refusal("not yet")


async def until_expired(case: Case, actor: Actor) -> None:
    await actor.recover()
    await actor.rest()
    if await case.people.state(case.saga_id) != "EXPIRED":
        raise Refusal("not yet")


async def cancel(case: Case, actor: Actor) -> None:
    await actor.app.purchases.cancel_lessons.cancel(UUID(case.booking), "", "")


async def reconcile(case: Case, actor: Actor) -> None:
    waiting = await actor.app.reconcile.stores.sagas.get(UUID(case.saga_id))
    assert waiting is not None
    if waiting.state == "AWAITING_PAYMENT":
        await actor.app.reconcile._check(waiting)


async def refund_by_hand(case: Case, actor: Actor) -> None:
    if not await case.people.refunds_of(case.intent):
        await case.people.refund_by_hand(case.intent, 2000)


async def a_stray_is_paid(case: Case, actor: Actor) -> None:
    """A second intent that carries our saga's id gets money after the end."""
    strays = [intent for intent in await case.people.intents_of(case.saga_id) if intent["id"] != case.intent]
    stray = strays[0] if strays else await case.people.stray_of(case.saga_id)
    if stray["status"] == "requires_payment_method":
        await case.people.pay(stray["id"])
    case.intent = stray["id"]


async def sold(case: Case) -> bool:
    people = case.people
    return (
        await people.state(case.saga_id) == "COMPLETED"
        and await people.claims(case.saga_id) == ["CONFIRMED", "CONFIRMED"]
        and (await people.booking(case.booking)).status == booking_pb2.BOOKING_STATUS_CONFIRMED
        and [i["status"] for i in await people.intents_of(case.saga_id)] == ["succeeded"]
        and await people.refunds_of(case.intent) == []
    )


def undone(state: str, booking_status: int) -> Callable[[Case], Awaitable[bool]]:
    async def ended(case: Case) -> bool:
        people = case.people
        return (
            await people.state(case.saga_id) == state
            and await people.claims(case.saga_id) == []
            and (await people.booking(case.booking)).status == booking_status
            and [i["status"] for i in await people.intents_of(case.saga_id)] == ["canceled"]
        )

    return ended


def refunded(*amounts: int, state: str = "REFUNDED", booking_status: int = 3) -> Callable[[Case], Awaitable[bool]]:
    """`state`: the purchase's; more than one, with `|` between, where a race may end either way."""

    async def ended(case: Case) -> bool:
        people = case.people
        return (
            await people.state(case.saga_id) in state.split("|")
            and await people.nothing_open(case.student)
            and sorted(r["amount_minor"] for r in await people.our_refunds_of(case.intent)) == sorted(amounts)
            and (await people.booking(case.booking)).status == booking_status
            and sorted(r["amount"] for r in await people.refunds_of(case.intent)) == sorted(amounts)
        )

    return ended


async def enroll(case: Case, actor: Actor) -> None:
    case.knows(await actor.app.purchases.courses.enroll(CourseOrder(case.student, UUID(case.course), "key")))


async def the_seat_lapses(case: Case, actor: Actor) -> None:
    past = "update saga set hold_ends = clock_timestamp(), wake_at = clock_timestamp() where id = $1"
    await case.people.world.sql("payment", past, UUID(case.saga_id))


async def leave(case: Case, actor: Actor) -> None:
    await actor.app.purchases.cancel_courses.cancel(UUID(case.booking), "", "")


def placed(state: str, status: int, seats: int, *refunds: int) -> Callable[[Case], Awaitable[bool]]:
    """The end of a place in a course: as its saga, its enrollment, its course and the provider say."""

    async def ended(case: Case) -> bool:
        people = case.people
        return (
            await people.state(case.saga_id) == state
            and await people.nothing_open(case.student)
            and await people.seats_taken(case.course) == seats
            and (await people.enrollment(case.booking)).status == status
            and [r["amount"] for r in await people.refunds_of(case.intent)] == [*refunds]
            and len(await people.intents_of(case.saga_id)) == 1
        )

    return ended


SALE = (book, pay, told_of_success, told_of_success)
PLACE = (enroll, pay, told_of_success, told_of_success)
SOLD, TAKEN_BACK = "booking.confirmed", "booking.cancelled refund.paid"
LESSON_FLOWS = (
    Flow("sale", (*SALE, told_of_creation), 0, sold, SOLD),
    Flow("sale by reconcile", (book, pay, reconcile), 2, sold, SOLD),
    Flow("a repeat, then sale", (book, book_again_under_another_key, *SALE[1:]), 1, sold, SOLD),
    Flow(
        "declines by reconcile",
        (book, decline_three_times, reconcile),
        2,
        undone("PAYMENT_FAILED", 4),
        "booking.payment_failed",
    ),
    Flow("expiry", (book, the_hold_ends), 1, undone("EXPIRED", 5), "booking.expired"),
    Flow(
        "declines",
        (book, decline_three_times, told_of_declines),
        2,
        undone("PAYMENT_FAILED", 4),
        "booking.payment_failed",
    ),
    Flow("wrong amount", (book, pay_another_amount, told_of_success), 2, refunded(700), TAKEN_BACK),
    Flow("cancel before paying", (book, cancel), 1, undone("CANCELLED", 3), "booking.cancelled"),
    # A cancel that dies may be outrun by the sale it met: then it is a cancel of a sold lesson.
    Flow(
        "cancel a race",
        (book, pay, cancel),
        2,
        refunded(5000, state="REFUNDED|COMPLETED"),
        f"{TAKEN_BACK}|{SOLD} {TAKEN_BACK}",
    ),
    Flow(
        "cancel after paying", (*SALE, until_sold, cancel), 5, refunded(5000, state="COMPLETED"), f"{SOLD} {TAKEN_BACK}"
    ),
    Flow(
        "refund by hand",
        (*SALE, until_sold, refund_by_hand, told_of_refund),
        6,
        refunded(2000, state="COMPLETED", booking_status=2),
        f"{SOLD} refund.paid",
    ),
    Flow(
        "money for an expired booking",
        (book, the_hold_ends, until_expired, a_stray_is_paid, told_of_success),
        4,
        refunded(5000, state="EXPIRED", booking_status=5),
        "booking.expired refund.paid",
    ),
)
SEAT_FLOWS = (
    Flow("a place", PLACE, 0, placed("COMPLETED", 2, 1), "enrollment.active", strikes=("peer.",)),
    Flow(
        "a place expires",
        (enroll, the_seat_lapses),
        1,
        placed("EXPIRED", 5, 0),
        "enrollment.expired",
        strikes=("peer.",),
    ),
    Flow(
        "a place is left",
        (*PLACE, until_sold, leave),
        5,
        placed("COMPLETED", 3, 0, 5000),
        "enrollment.active enrollment.cancelled refund.paid",
        strikes=("peer.",),
    ),
)
