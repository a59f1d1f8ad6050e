"""BookAndPayForSessionSaga: a lesson for money. Hold, record, pay; then confirm the slot, the session, the booking."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import stamina

from mesh import clock, wire
from mesh.errors import CallFailed, Overloaded, Refusal, TryAgain
from mesh.money import Money
from payment_svc.domain import Saga, State
from payment_svc.sagas.definition import Definition, Step
from payment_svc.sagas.phases import booking_end
from tutormesh.availability.v1 import availability_pb2 as availability
from tutormesh.booking.v1 import booking_pb2 as booking
from tutormesh.session.v1 import session_pb2 as session

if TYPE_CHECKING:
    from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceAsyncStub
    from tutormesh.booking.v1.booking_pb2_grpc import BookingServiceAsyncStub
    from tutormesh.session.v1.session_pb2_grpc import SessionServiceAsyncStub

KIND, VERSION = "BookAndPayForSessionSaga", 1
STEP_SECONDS = 2.5
TRIES = 3
T = TypeVar("T")

ENDS = {
    State.EXPIRED: booking.BOOKING_STATUS_EXPIRED,
    State.PAYMENT_FAILED: booking.BOOKING_STATUS_PAYMENT_FAILED,
    State.CANCELLED: booking.BOOKING_STATUS_CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Peers:
    """The services this saga calls."""

    availability: AvailabilityServiceAsyncStub
    booking: BookingServiceAsyncStub
    session: SessionServiceAsyncStub


async def hold_slot(peers: Peers, saga: Saga) -> Saga:
    request = availability.HoldSlotRequest(
        saga_id=str(saga.id),
        tutor_id=str(saga.tutor_id),
        student_id=str(saga.student_id),
        start=clock.to_proto(saga.time_slot),
        duration_minutes=saga.minutes,
    )
    try:
        held = await asked(lambda: peers.availability.HoldSlot(request, timeout=STEP_SECONDS))
    except Refusal:
        if saga.fence > 1 or saga.attempt:  # an earlier try may still arrive: it must find a tombstone
            await release_slot(peers, saga)
        raise
    price = await _agreed(peers, saga, Money(held.price.amount_minor, held.price.currency))
    knowing = saga.knowing(
        price={"amount_minor": price.amount_minor, "currency": price.currency},
        block_id=held.availability_block_id,
        hold_expires_at=clock.iso(held.expires_at.ToDatetime(UTC)),
        **({"hold_is_over": True} if held.seconds_left <= 0 else {}),
    )
    return replace(knowing, hold_ends_monotonic=time.monotonic() + held.seconds_left)


async def _agreed(peers: Peers, saga: Saga, tutors: Money) -> Money:
    """The tutor's price, or a service's word. Raises AmountMismatch when a person believes another; nothing is held then."""
    asked = saga.asked_price
    try:
        return asked.settled(tutors) if asked is not None else tutors
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
    request = booking.CreateBookingRequest(
        booking_id=str(saga.booking_id),
        saga_id=str(saga.id),
        tutor_id=str(saga.tutor_id),
        student_id=str(saga.student_id),
        course_id=saga.context.get("course_id") or "",
        start_time=clock.to_proto(saga.time_slot),
        end_time=clock.to_proto(saga.time_slot + timedelta(minutes=saga.minutes)),
        price=wire.to_money(saga.price),
        purpose=saga.context.get("purpose") or "",
        hold_expires_at=clock.to_proto(datetime.fromisoformat(saga.context["hold_expires_at"])),
        availability_block_id=saga.context["block_id"],
        session_id=str(saga.session_id),
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
    request = session.CreateConfirmedSessionRequest(
        session_id=str(saga.session_id),
        saga_id=str(saga.id),
        booking_id=str(saga.booking_id),
        tutor_id=str(saga.tutor_id),
        student_id=str(saga.student_id),
        scheduled_at=clock.to_proto(saga.time_slot),
        duration_minutes=saga.minutes,
    )
    await asked(lambda: peers.session.CreateConfirmedSession(request, timeout=STEP_SECONDS))
    return saga


async def confirm_booking(peers: Peers, saga: Saga) -> Saga:
    request = booking.ConfirmBookingRequest(booking_id=str(saga.booking_id), saga_id=str(saga.id))
    await asked(lambda: peers.booking.ConfirmBooking(request, timeout=STEP_SECONDS))
    return saga


def book_and_pay_for_session(peers: Peers) -> Definition:
    """The saga as its steps."""

    def do(step: Callable[[Peers, Saga], Awaitable[Saga]]) -> Callable[[Saga], Awaitable[Saga]]:
        return lambda saga: step(peers, saga)

    def undo(step: Callable[[Peers, Saga], Awaitable[None]]) -> Callable[[Saga], Awaitable[None]]:
        return lambda saga: step(peers, saga)

    return Definition(
        kind=KIND,
        version=VERSION,
        opening=(
            Step("hold_slot", do=do(hold_slot), undo=undo(release_slot)),
            Step("create_booking", do=do(create_booking), undo=undo(end_booking)),
        ),  # then the PaymentIntent is opened, and the saga waits for the payment or the hold's end
        pivot=Step("confirm_slot", do=do(confirm_slot)),
        closing=(Step("create_session", do=do(create_session)), Step("confirm_booking", do=do(confirm_booking))),
    )


def ids(new: Callable[[], UUID]) -> dict[str, UUID]:
    """The ids of everything the saga will make, allocated with it."""
    return {name: new() for name in ("id", "booking", "session", "payment")}


async def asked(call: Callable[[], Awaitable[T]]) -> T:
    """A peer's answer; asked again, under the same key, while its outcome is unknown. Three tries with jitter."""
    async for attempt in stamina.retry_context(
        on=_worth_repeating, attempts=TRIES, timeout=None, wait_initial=0.05, wait_max=0.5, wait_jitter=0.2
    ):
        with attempt:
            return await call()
    raise AssertionError("the last try returns or raises")


def _worth_repeating(error: Exception) -> bool:
    if isinstance(error, CallFailed):
        return not error.definite
    return isinstance(error, TryAgain | Overloaded)
