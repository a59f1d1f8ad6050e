"""BookAndPayForSessionSaga: a lesson for money. Hold, record, pay; then confirm the slot, the session, the booking."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from mesh import clock, wire
from mesh.errors import Refusal
from mesh.money import Money
from payment_svc.domain import BOOK, Saga, State
from payment_svc.peers import STEP_SECONDS, Peers, asked, held, holding
from payment_svc.selling.definition import Definition, Step
from payment_svc.selling.purchase import booking_end
from tutormesh.availability.v1 import availability_pb2 as availability
from tutormesh.booking.v1 import booking_pb2 as booking
from tutormesh.session.v1 import session_pb2 as session

KIND, VERSION = BOOK, 1

ENDS = {
    State.EXPIRED: booking.BOOKING_STATUS_EXPIRED,
    State.PAYMENT_FAILED: booking.BOOKING_STATUS_PAYMENT_FAILED,
    State.CANCELLED: booking.BOOKING_STATUS_CANCELLED,
}


async def hold_slot(peers: Peers, saga: Saga) -> Saga:
    lesson = saga.lesson
    request = availability.HoldSlotRequest(
        saga_id=str(saga.id),
        tutor_id=str(lesson.tutor_id),
        student_id=str(saga.student_id),
        start=clock.to_proto(lesson.start),
        duration_minutes=lesson.minutes,
    )
    hold = await held(saga, lambda: peers.availability.HoldSlot(request, timeout=STEP_SECONDS))
    price = await _agreed(peers, saga, Money(hold.price.amount_minor, hold.price.currency))
    held_by_saga = holding(saga, hold, block_id=hold.availability_block_id)
    return held_by_saga.knowing(price={"amount_minor": price.amount_minor, "currency": price.currency})


async def _agreed(peers: Peers, saga: Saga, tutors: Money) -> Money:
    """The tutor's price, or a service's word. Raises AmountMismatch when a person believes another; nothing is held then."""
    try:
        return saga.asked_price.settled(tutors) if saga.asked_price else tutors
    except Refusal:
        await release_slot(peers, saga)
        raise


async def release_slot(peers: Peers, saga: Saga) -> None:
    request = availability.ReleaseSlotRequest(saga_id=str(saga.id))
    await asked(lambda: peers.availability.ReleaseSlot(request, timeout=STEP_SECONDS))


async def confirm_slot(peers: Peers, saga: Saga) -> Saga:
    request = availability.ConfirmSlotRequest(saga_id=str(saga.id))
    await asked(lambda: peers.availability.ConfirmSlot(request, timeout=STEP_SECONDS))
    return saga


async def create_booking(peers: Peers, saga: Saga) -> Saga:
    assert saga.price is not None
    lesson = saga.lesson
    request = booking.CreateBookingRequest(
        booking_id=str(saga.booking_id),
        saga_id=str(saga.id),
        tutor_id=str(lesson.tutor_id),
        student_id=str(saga.student_id),
        course_id=saga.context.get("course_id") or "",
        start_time=clock.to_proto(lesson.start),
        end_time=clock.to_proto(lesson.start + timedelta(minutes=lesson.minutes)),
        price=wire.to_money(saga.price),
        purpose=saga.context.get("purpose") or "",
        hold_expires_at=clock.to_proto(datetime.fromisoformat(saga.context["hold_expires_at"])),
        availability_block_id=saga.context["block_id"],
        session_id=str(lesson.session_id),
        payment_id=str(saga.payment_id) if saga.price.amount_minor else "",
    )
    await asked(lambda: peers.booking.CreateBooking(request, timeout=STEP_SECONDS))
    return saga.knowing(booked=True)


async def end_booking(peers: Peers, saga: Saga) -> None:
    request = booking.EndBookingRequest(
        booking_id=str(saga.booking_id),
        saga_id=str(saga.id),
        status=ENDS[booking_end(saga)],
        reason=saga.undo.value.lower(),
    )
    await asked(lambda: peers.booking.EndBooking(request, timeout=STEP_SECONDS))


async def create_session(peers: Peers, saga: Saga) -> Saga:
    lesson = saga.lesson
    request = session.CreateConfirmedSessionRequest(
        session_id=str(lesson.session_id),
        saga_id=str(saga.id),
        booking_id=str(saga.booking_id),
        tutor_id=str(lesson.tutor_id),
        student_id=str(saga.student_id),
        scheduled_at=clock.to_proto(lesson.start),
        duration_minutes=lesson.minutes,
    )
    await asked(lambda: peers.session.CreateConfirmedSession(request, timeout=STEP_SECONDS))
    return saga


async def confirm_booking(peers: Peers, saga: Saga) -> Saga:
    request = booking.ConfirmBookingRequest(booking_id=str(saga.booking_id), saga_id=str(saga.id))
    await asked(lambda: peers.booking.ConfirmBooking(request, timeout=STEP_SECONDS))
    return saga


def book_and_pay_for_session(peers: Peers) -> Definition:
    """The saga as its steps."""
    return Definition(
        kind=KIND,
        version=VERSION,
        opening=(
            Step("hold_slot", do=partial(hold_slot, peers), undo=partial(release_slot, peers)),
            Step("create_booking", do=partial(create_booking, peers), undo=partial(end_booking, peers)),
        ),  # then the PaymentIntent is opened, and the saga waits for the payment or the hold's end
        pivot=Step("confirm_slot", do=partial(confirm_slot, peers)),
        closing=(
            Step("create_session", do=partial(create_session, peers)),
            Step("confirm_booking", do=partial(confirm_booking, peers)),
        ),
    )
