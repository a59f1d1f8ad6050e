"""BookAndPayForSessionSaga: how a lesson is sold.

The student's and the tutor's time is held, the booking is recorded, the payment is opened. The saga then sleeps until
the student pays or the hold ends. The payment turns the hold into a claim: the point of no return. After it the session
is created and the booking is confirmed. Before it each step has an undo; the undos run from last to first, and the
payment is closed before anything else is undone.

`BOOK_AND_PAY` below is the whole story in order. The functions are its steps. What they learn is in LessonFacts.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from mesh import clock, wire
from mesh.errors import Refusal
from mesh.money import Money
from payment_svc.domain import BOOK, Saga, State, Undo
from payment_svc.peers import STEP_SECONDS, Peers, call_peer
from payment_svc.selling.definition import Definition, OpenPayment, Pivot, Step, WaitForPayment
from payment_svc.selling.holding import call_hold, with_hold
from payment_svc.selling.payment import close_payment, look_at_payment, open_payment, refund_payment
from payment_svc.selling.transitions import end_of_sale
from tutormesh.availability.v1 import availability_pb2 as availability
from tutormesh.booking.v1 import booking_pb2 as booking
from tutormesh.session.v1 import session_pb2 as session


async def hold_slot(peers: Peers, saga: Saga) -> Saga:
    """Hold the time in both calendars. The answer names the tutor's price and how long the hold lasts.

    The availability service refuses another price than the student believes. One of the version before does not know
    that price: then the time is held, and is released.
    """
    lesson, asked = saga.lesson, saga.purchase_facts.asked_price
    amount, currency = asked.expected if asked else ("", "")
    request = availability.HoldSlotRequest(
        saga_id=str(saga.id),
        tutor_id=str(lesson.tutor_id),
        student_id=str(saga.student_id),
        start=clock.to_proto(lesson.start),
        duration_minutes=lesson.minutes,
        expected_amount=amount,
        expected_currency=currency,
    )
    hold = await call_hold(saga, lambda: peers.availability.HoldSlot(request, timeout=STEP_SECONDS))
    tutors = Money(hold.price.amount_minor, hold.price.currency)
    try:
        price = asked.agree(tutors) if asked else tutors
    except Refusal:
        await release_slot(peers, saga)
        raise
    told = {"tutor_name": hold.tutor_name, "tutor_timezone": hold.tutor_timezone}
    return with_hold(saga, hold, block_id=hold.availability_block_id, **told).with_facts(price=price)


async def release_slot(peers: Peers, saga: Saga) -> None:
    request = availability.ReleaseSlotRequest(saga_id=str(saga.id))
    await call_peer(lambda: peers.availability.ReleaseSlot(request, timeout=STEP_SECONDS))


async def record_booking(peers: Peers, saga: Saga) -> Saga:
    """Record the booking as PAYMENT_REQUIRED."""
    facts, lesson = saga.lesson_facts, saga.lesson
    assert facts.price is not None
    request = booking.CreateBookingRequest(
        booking_id=str(saga.sold_id),
        saga_id=str(saga.id),
        tutor_id=str(lesson.tutor_id),
        student_id=str(saga.student_id),
        course_id=str(facts.course_id or ""),
        start_time=clock.to_proto(lesson.start),
        end_time=clock.to_proto(lesson.start + timedelta(minutes=lesson.minutes)),
        price=wire.to_money(facts.price),
        purpose=facts.purpose,
        hold_expires_at=clock.to_proto(facts.hold_expires_at),
        availability_block_id=facts.block_id,
        session_id=str(lesson.session_id),
        payment_id="" if saga.is_free else str(saga.payment_id),
    )
    reply = await call_peer(lambda: peers.booking.CreateBooking(request, timeout=STEP_SECONDS))
    return replace(saga.with_facts(is_recorded=True), recorded=reply.booking if reply.HasField("booking") else None)


STATUS_OF_END = {
    State.EXPIRED: booking.BOOKING_STATUS_EXPIRED,
    State.PAYMENT_FAILED: booking.BOOKING_STATUS_PAYMENT_FAILED,
    State.CANCELLED: booking.BOOKING_STATUS_CANCELLED,
}


async def end_booking(peers: Peers, saga: Saga) -> None:
    assert saga.purchase_facts.undo is not None
    request = booking.EndBookingRequest(
        booking_id=str(saga.sold_id),
        saga_id=str(saga.id),
        status=STATUS_OF_END[end_of_sale(saga)],
        reason=saga.purchase_facts.undo.value.lower(),
    )
    await call_peer(lambda: peers.booking.EndBooking(request, timeout=STEP_SECONDS))


async def confirm_slot(peers: Peers, saga: Saga) -> Saga:
    """Turn the hold into a claim. A hold that has lapsed is won again if the time is still free, else refused."""
    request = availability.ConfirmSlotRequest(saga_id=str(saga.id))
    await call_peer(lambda: peers.availability.ConfirmSlot(request, timeout=STEP_SECONDS))
    return saga


async def create_session(peers: Peers, saga: Saga) -> Saga:
    lesson = saga.lesson
    request = session.CreateConfirmedSessionRequest(
        session_id=str(lesson.session_id),
        saga_id=str(saga.id),
        booking_id=str(saga.sold_id),
        tutor_id=str(lesson.tutor_id),
        student_id=str(saga.student_id),
        scheduled_at=clock.to_proto(lesson.start),
        duration_minutes=lesson.minutes,
    )
    reply = await call_peer(lambda: peers.session.CreateConfirmedSession(request, timeout=STEP_SECONDS))
    return saga.with_facts(meeting_link=reply.session.meeting_link)


async def confirm_booking(peers: Peers, saga: Saga) -> Saga:
    request = booking.ConfirmBookingRequest(booking_id=str(saga.sold_id), saga_id=str(saga.id))
    await call_peer(lambda: peers.booking.ConfirmBooking(request, timeout=STEP_SECONDS))
    return saga


BOOK_AND_PAY = Definition(
    kind=BOOK,
    version=1,
    steps=(
        Step(hold_slot, undo=release_slot),
        Step(record_booking, undo=end_booking),
        OpenPayment(open_payment, undo=close_payment, refund=refund_payment),
        WaitForPayment(look_at_payment, hold_ends=Undo.EXPIRED, every_attempt_declined=Undo.DECLINED),
        Pivot(confirm_slot, refused=Undo.SLOT_LOST),
        Step(create_session),
        Step(confirm_booking),
    ),
)
