"""How each state of a course's saga is reached, to be recorded as a golden saga (tests/golden/record.py)."""

from __future__ import annotations

import asyncio
from functools import partial
from uuid import UUID

from tests.golden.recipes import (
    NEVER_TAKEN,
    Begun,
    Price,
    Recipe,
    decline_all,
    fail,
    lost_once,
    nothing,
    pay,
    pay_another_amount,
    pay_late,
    stall,
)
from tests.learners import enroll
from tests.people import Booked, People
from tutormesh.learning.v1 import learning_pb2
from tutormesh.learning.v1.learning_pb2_grpc import LearningServiceStub
from tutormesh.payment.v1 import payment_pb2
from tutormesh.payment.v1.payment_pb2_grpc import PaymentServiceStub

HELD, SOLD = ["HoldSeat"], ["HoldSeat", "CreateEnrollmentRecord"]
PAID = ["create", "pay"]


async def enroll_in_a_course(people: People, student: UUID, price: Price) -> Begun:
    course = await people.course(*price)
    return UUID(course.instructor_id), asyncio.ensure_future(enroll(people, course.id, student))


async def enroll_in_what_is_not_published(people: People, student: UUID, price: Price) -> Begun:
    course = await people.course(*price, published=False)
    return UUID(course.instructor_id), asyncio.ensure_future(enroll(people, course.id, student))


async def hold_ends(people: People, booked: Booked) -> None:
    past = "update saga set hold_ends = clock_timestamp(), wake_at = clock_timestamp() where id = $1"
    await people.world.sql("payment", past, UUID(booked.saga))


async def leave(people: People, booked: Booked) -> None:
    person = people.world.token("student", subject=booked.student)
    stub = people.stub(PaymentServiceStub, "payment", "bff", person)
    await stub.CancelEnrollment(payment_pb2.CancelEnrollmentRequest(enrollment_id=booked.booking), timeout=8)


async def buy_and_leave(people: People, booked: Booked) -> None:
    await pay(people, booked)
    await people.until_state(booked.saga, "COMPLETED")
    await leave(people, booked)


async def lose_the_seat(people: People, booked: Booked) -> None:
    request = learning_pb2.EndEnrollmentRequest(
        enrollment_id=booked.booking, saga_id=booked.saga, status=learning_pb2.ENROLLMENT_STATUS_EXPIRED
    )
    await people.stub(LearningServiceStub, "learning", "payment").EndEnrollment(request, timeout=5)
    await pay(people, booked)


Place = partial(Recipe, begin=enroll_in_a_course)
SEATS: dict[str, Recipe] = {
    "place_opening": Place("AWAITING_AVAILABILITY", "COMPLETED", stall("HoldSeat"), intent=[], then="pay", opens=True),
    "place_opening_held": Place(
        "AWAITING_AVAILABILITY", "COMPLETED", stall("create_intent"), nothing, HELD, [], "pay", opens=True
    ),
    "place_waiting": Place("AWAITING_PAYMENT", "COMPLETED", stall("nothing"), calls=HELD, then="pay"),
    "place_waiting_paid_unheard": Place(
        "AWAITING_PAYMENT", "COMPLETED", stall("nothing"), pay_late, HELD, PAID, "reconcile"
    ),
    "place_waiting_until_the_hold_ends": Place(
        "AWAITING_PAYMENT", "EXPIRED", stall("claim_due"), hold_ends, HELD
    ),
    "place_activating": Place("BOOKING_SESSION", "COMPLETED", stall("CreateEnrollmentRecord"), pay, HELD, PAID),
    "place_activating_parked": Place(
        "BOOKING_SESSION", "COMPLETED", fail("CreateEnrollmentRecord"), pay, HELD, PAID, "retry", parked=True
    ),
    "place_undo_refused": Recipe(
        "COMPENSATING", "REJECTED", lost_once("HoldSeat", "EndEnrollment"), intent=[], opens=True,
        begin=enroll_in_what_is_not_published,
    ),
    "place_undo_expired": Place("COMPENSATING", "EXPIRED", stall("cancel_intent"), hold_ends, HELD),
    "place_undo_declined": Place(
        "COMPENSATING", "PAYMENT_FAILED", stall("EndEnrollment"), decline_all, HELD, ["create", "decline", "cancel"]
    ),
    "place_undo_provider_refused": Place(
        "COMPENSATING", "PAYMENT_FAILED", stall("EndEnrollment"), calls=HELD, intent=[], opens=True, price=NEVER_TAKEN
    ),
    "place_undo_seat_lost": Place(
        "COMPENSATING", "REFUNDED", stall("create_refund"), lose_the_seat, [*HELD, "EndEnrollment"], PAID
    ),
    "place_undo_amount_mismatch": Place(
        "COMPENSATING", "REFUNDED", stall("create_refund"), pay_another_amount, HELD, ["create", "update", "pay"]
    ),
    "place_undo_cancelled": Place("COMPENSATING", "CANCELLED", stall("cancel_intent"), leave, HELD),
    "place_undo_parked": Place(
        "COMPENSATING", "EXPIRED", fail("cancel_intent"), hold_ends, HELD, then="retry", parked=True
    ),
    "leaving": Place("COMPENSATING", "REFUNDED", stall("CancelEnrollment"), buy_and_leave, SOLD, PAID, cancels=True),
    "leaving_owes_the_money": Place(
        "COMPENSATING", "REFUNDED", fail("create_refund"), buy_and_leave, SOLD, PAID, cancels=True
    ),
    "leaving_parked": Place(
        "COMPENSATING", "REFUNDED", fail("CancelEnrollment"), buy_and_leave, SOLD, PAID, "retry",
        cancels=True, parked=True,
    ),
}  # fmt: skip
