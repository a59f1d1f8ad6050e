"""How each state of a lesson's saga is reached, to be recorded as a golden saga (tests/golden/record.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.payment.faults import ALWAYS, each
from tests.payment.settling.test_given_up_refunds import fail_by_the_bank, until_parked
from tests.payment.stalled_owners import block
from tests.people import Booked, People, lesson_time
from tests.world import FailAt, Hook, StallAt
from tutormesh.availability.v1 import availability_pb2
from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceStub

ENDED = ["EndBooking", "ReleaseSlot"]
OPEN, SOLD = ["HoldSlot", "CreateBooking"], ["ConfirmSlot", "CreateConfirmedSession", "ConfirmBooking"]
Act = Callable[[People, Booked], Awaitable[Any]]
#: Minor units and a currency. The second one can be priced, but the provider refuses it: it is too little once converted.
Price = tuple[int, str]
TAKEN, NEVER_TAKEN = (5000, "USD"), (10, "LBP")
#: Who teaches, and the request that is under way.
Begun = tuple[UUID, asyncio.Future[Any]]


async def book_a_lesson(people: People, student: UUID, price: Price) -> Begun:
    tutor = await people.tutor(*price)
    return tutor, asyncio.ensure_future(people.book(tutor, lesson_time(), student, timeout=8))


async def book_a_blocked_lesson(people: People, student: UUID, price: Price) -> Begun:
    tutor = await people.tutor(*price)
    await block(people, tutor, lesson_time())
    return tutor, asyncio.ensure_future(people.book(tutor, lesson_time(), student, timeout=8))


async def nothing(people: People, booked: Booked) -> None:
    """Nobody does anything."""


async def pay(people: People, booked: Booked) -> None:
    await people.pay(booked.intent)


async def pay_late(people: People, booked: Booked) -> None:
    await people.webhooks("drop")
    await people.pay(booked.intent)


async def pay_another_amount(people: People, booked: Booked) -> None:
    await people.update_intent(booked.intent, amount=4000)
    await people.pay(booked.intent)


async def decline(people: People, booked: Booked, times: int = 1) -> None:
    for _ in range(times):
        await people.pay(booked.intent, "pm_card_chargeDeclined")


async def decline_all(people: People, booked: Booked) -> None:
    await decline(people, booked, 3)


async def hold_ends(people: People, booked: Booked) -> None:
    await people.let_the_hold_end(booked.saga)


async def cancel(people: People, booked: Booked) -> None:
    await people.cancel(booked)


async def lose_the_slot(people: People, booked: Booked) -> None:
    request = availability_pb2.ReleaseSlotRequest(saga_id=booked.saga)
    await people.stub(AvailabilityServiceStub, "availability", "payment").ReleaseSlot(request, timeout=5)
    await pay(people, booked)


async def buy_and_cancel(people: People, booked: Booked) -> None:
    await pay(people, booked)
    await people.until_state(booked.saga, "COMPLETED")
    await people.cancel(booked)


async def get_a_case(people: People, booked: Booked) -> str:
    """The refund of an undone purchase is returned by the bank, and every later one fails at once: the case of it."""
    await pay_another_amount(people, booked)
    await people.until_state(booked.saga, "REFUNDED")
    await people.fault("/v1/refunds", "refund_failed", times=ALWAYS)
    await fail_by_the_bank(people, booked.intent)
    return await until_parked(people, booked.student)


async def get_a_case_and_retry(people: People, booked: Booked) -> None:
    case = await get_a_case(people, booked)
    await people.no_faults()
    await people.fault("/v1/refunds", "error_before", times=ALWAYS)
    await people.retry(case)


@dataclass(frozen=True)
class Recipe:
    """How a state is reached: a replica with this hook, this act on a booking that is open (or while it opens)."""

    state: str
    ends: str
    hook: Callable[[], Hook]
    act: Act = nothing
    calls: list[str] = field(default_factory=list)
    intent: list[str] = field(default_factory=lambda: ["create"])
    then: str = ""
    opens: bool = False
    parked: bool = False
    cancels: bool = False
    case: bool = False
    price: Price = TAKEN
    begin: Callable[[People, UUID, Price], Awaitable[Begun]] = book_a_lesson


def stall(point: str) -> Callable[[], Hook]:
    return lambda: StallAt(f"before {point}")


def fail(point: str) -> Callable[[], Hook]:
    return lambda: FailAt(f"before {point}", times=1000)


def lost_once(lost: str, stalled: str) -> Callable[[], Hook]:
    return lambda: each(FailAt(f"before {lost}"), StallAt(f"before {stalled}"))


RECIPES = {
    "opening": Recipe("AWAITING_AVAILABILITY", "COMPLETED", stall("HoldSlot"), intent=[], then="pay", opens=True),
    "opening_held": Recipe(
        "AWAITING_AVAILABILITY", "COMPLETED", stall("create_intent"), calls=OPEN, intent=[], then="pay", opens=True
    ),
    "opening_backing_off": Recipe(
        "AWAITING_AVAILABILITY", "COMPLETED", fail("CreateBooking"), calls=OPEN[:1], intent=[], then="pay", opens=True
    ),
    "waiting": Recipe("AWAITING_PAYMENT", "COMPLETED", stall("nothing"), calls=OPEN, then="pay"),
    "waiting_declined_once": Recipe(
        "AWAITING_PAYMENT", "COMPLETED", stall("nothing"), decline, OPEN, ["create", "decline"], "pay"
    ),
    "waiting_until_the_hold_ends": Recipe("AWAITING_PAYMENT", "EXPIRED", stall("claim_due"), hold_ends, OPEN),
    "waiting_paid_unheard": Recipe(
        "AWAITING_PAYMENT", "COMPLETED", stall("nothing"), pay_late, OPEN, ["create", "pay"], "reconcile"
    ),
    "booking_session": Recipe("BOOKING_SESSION", "COMPLETED", stall("ConfirmSlot"), pay, OPEN, ["create", "pay"]),
    "booking_session_backing_off": Recipe(
        "BOOKING_SESSION", "COMPLETED", fail("ConfirmBooking"), pay, OPEN + SOLD[:2], ["create", "pay"]
    ),
    "booking_session_parked": Recipe(
        "BOOKING_SESSION", "COMPLETED", fail("ConfirmSlot"), pay, OPEN, ["create", "pay"], "retry", parked=True
    ),
    "undo_refused": Recipe(
        "COMPENSATING", "REJECTED", lost_once("HoldSlot", "find_intent"), intent=[], opens=True,
        begin=book_a_blocked_lesson,
    ),
    "undo_expired": Recipe("COMPENSATING", "EXPIRED", stall("cancel_intent"), hold_ends, OPEN),
    "undo_declined": Recipe(
        "COMPENSATING", "PAYMENT_FAILED", stall("EndBooking"), decline_all, OPEN, ["create", "decline", "cancel"]
    ),
    "undo_provider_refused": Recipe(
        "COMPENSATING", "PAYMENT_FAILED", stall("EndBooking"), calls=OPEN, intent=[], opens=True, price=NEVER_TAKEN
    ),
    "undo_slot_lost": Recipe(
        "COMPENSATING", "REFUNDED", stall("create_refund"), lose_the_slot, [*OPEN, "ReleaseSlot"], ["create", "pay"]
    ),
    "undo_amount_mismatch": Recipe(
        "COMPENSATING", "REFUNDED", stall("create_refund"), pay_another_amount, OPEN, ["create", "update", "pay"]
    ),
    "undo_cancelled": Recipe("COMPENSATING", "CANCELLED", stall("cancel_intent"), cancel, OPEN),
    "undo_parked": Recipe(
        "COMPENSATING", "EXPIRED", fail("cancel_intent"), hold_ends, OPEN, then="retry", parked=True
    ),
    "taking_back": Recipe(
        "COMPENSATING", "REFUNDED", stall("CancelSession"), buy_and_cancel, OPEN + SOLD, ["create", "pay"],
        cancels=True,
    ),
    "taking_back_owes_the_money": Recipe(
        "COMPENSATING", "REFUNDED", fail("create_refund"), buy_and_cancel, OPEN + SOLD, ["create", "pay"], cancels=True
    ),
    "taking_back_parked": Recipe(
        "COMPENSATING", "REFUNDED", fail("CancelSession"), buy_and_cancel, OPEN + SOLD, ["create", "pay"], "retry",
        cancels=True, parked=True,
    ),
    "refund_given_up": Recipe(
        "PARKED", "REFUNDED", stall("nothing"), get_a_case, [*OPEN, *ENDED], ["create", "update", "pay"], "retry",
        case=True,
    ),
    "refund_tried_again": Recipe(
        "COMPENSATING", "REFUNDED", stall("nothing"), get_a_case_and_retry, [*OPEN, *ENDED],
        ["create", "update", "pay"], case=True,
    ),
}  # fmt: skip
