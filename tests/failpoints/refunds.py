"""The ways of a refund that the provider refuses for good, and of one that fails after it was paid."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mesh.errors import Refusal
from payment_svc.domain import DISPUTE_CASE
from tests.failpoints.actors import Actor
from tests.failpoints.cases import Case, Flow
from tests.failpoints.flows import (
    SALE,
    SOLD,
    TAKEN_BACK,
    a_stray_is_paid,
    book,
    cancel,
    the_hold_ends,
    told_of_success,
    until_expired,
    until_sold,
)
from tutormesh.booking.v1 import booking_pb2


async def told_of_failure(case: Case, actor: Actor) -> None:
    await case.deliver(actor, "refund.failed")


async def dispute(case: Case, actor: Actor) -> None:
    """The payer's bank takes the money back: the provider refuses every refund of it for good."""
    if not case.people._held("dispute", "payment_intent = ?", case.intent):
        await case.people.dispute(case.intent)


async def the_bank_returns_it(case: Case, actor: Actor) -> None:
    """The refund that the last told failure, or the cancel, has made is paid, and fails later."""
    refunds = await case.people.refunds_of(case.intent)
    (*_, newest) = refunds
    told = case.people._events(case.intent, "refund.failed")
    if newest["status"] == "succeeded" and len(told) == len(refunds) - 1:
        await case.people.settle_refund(newest["id"], "failed")


async def until_paid_back(case: Case, actor: Actor) -> None:
    """Until the money is back, as our rows and the provider say."""
    await actor.recover()
    await actor.rest()
    (*_, newest) = await case.people.refunds_of(case.intent)
    ours = await case.people.our_refunds_of(case.intent)
    is_back = newest["status"] == "succeeded" and [row["status"] for row in ours] == ["SUCCEEDED"]
    if not (is_back and await case.people.nothing_open(case.student)):
        raise Refusal("not yet")


def given_up(kind: str, state: str, booking_status: int, *made: str) -> Callable[[Case], Awaitable[bool]]:
    """The refund waits for a person, in one saga of this kind. `made`: how the refunds stand that the provider made."""

    async def ended(case: Case) -> bool:
        people = case.people
        ask = (
            "select kind, error ->> 'reason' as why from saga where student_id = $1 and state = 'PARKED' and kind <> $2"
        )
        return (
            await people.state(case.saga_id) == state
            and (await people.booking(case.booking)).status == booking_status
            and await people.nothing_open(case.student)
            and [tuple(row) for row in await people.world.sql("payment", ask, case.student, DISPUTE_CASE)]
            == [(kind, "REFUND_GIVEN_UP")]
            and await people.our_refunds_of(case.intent) == []
            and [refund["status"] for refund in await people.refunds_of(case.intent)] == [*made]
        )

    return ended


async def made_good(case: Case) -> bool:
    """The money is back after all, by a second refund."""
    people = case.people
    return (
        await people.state(case.saga_id) == "COMPLETED"
        and (await people.booking(case.booking)).status == booking_pb2.BOOKING_STATUS_CANCELLED
        and await people.nothing_open(case.student)
        and [tuple(row) for row in await people.our_refunds_of(case.intent)] == [(5000, "SUCCEEDED")]
        and [refund["status"] for refund in await people.refunds_of(case.intent)] == ["failed", "succeeded"]
    )


TAKEN_BACK_AND_PAID = (*SALE, until_sold, cancel, until_paid_back)
GIVING_UP = ("RefundStore.", "CancellationStore.park_refund")
FAILS_LATER = (the_bank_returns_it, told_of_failure)
REFUND_FLOWS = (
    Flow(
        "a refund that is refused for good",
        (*SALE, until_sold, dispute, cancel),
        6,
        given_up("CancelBookingSaga", "COMPLETED", 3),
        f"{SOLD} booking.cancelled refund.failed",
    ),
    Flow(
        "late money that cannot go back",
        (book, the_hold_ends, until_expired, a_stray_is_paid, dispute, told_of_success),
        5,
        given_up("RefundCase", "EXPIRED", 5),
        "booking.expired refund.failed",
        strikes=GIVING_UP,
    ),
    Flow(
        "a refund that fails later",
        (*TAKEN_BACK_AND_PAID, *FAILS_LATER),
        8,
        made_good,
        f"{SOLD} {TAKEN_BACK}",
        strikes=("EventStore.", "RefundStore."),
    ),
    Flow(
        "a refund that fails later once too often",
        (*TAKEN_BACK_AND_PAID, *FAILS_LATER, until_paid_back, *FAILS_LATER, until_paid_back, *FAILS_LATER),
        14,
        given_up("RefundCase", "COMPLETED", 3, "failed", "failed", "failed"),
        f"{SOLD} {TAKEN_BACK} refund.failed",
        strikes=GIVING_UP,
    ),
)
