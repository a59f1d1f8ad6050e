"""The services that payment_svc calls, in memory: idempotent under the saga's id, with tombstones, and one calendar
that has room for one lesson at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, timedelta
from typing import Any, TypeVar

from mesh import clock
from mesh.errors import CallFailed, Cancelled, IllegalMove, NotFound, StatusCode
from payment_svc.domain import SlotTaken
from tests.model.clockwork import Clockwork
from tests.model.state import GRACE, LESSON, Held
from tutormesh.availability.v1 import availability_pb2
from tutormesh.booking.v1 import booking_pb2
from tutormesh.session.v1 import session_pb2

T = TypeVar("T")
HOLD = timedelta(minutes=30)
PRICE = 5000
LESSON_ENDS = LESSON + timedelta(hours=1)
BOOKING_ENDS = ("CANCELLED", "PAYMENT_FAILED", "EXPIRED")


def lost() -> Exception:
    return CallFailed(StatusCode.UNAVAILABLE, "the answer was lost")


class _Service:
    def __init__(self, world: Clockwork) -> None:
        self._world = world

    def _do(self, name: str, effect: Callable[[], T]) -> Awaitable[T]:
        return self._world.call(name, effect, lost)


class Availability(_Service):
    """One tutor's calendar (and each student's own)."""

    def HoldSlot(self, request: Any, timeout: float) -> Awaitable[Any]:
        return self._do("HoldSlot", lambda: self._held(request))

    def _held(self, request: Any) -> Any:
        state, saga = self._world.state, request.saga_id
        slot = f"{request.tutor_id} {request.start.seconds}"
        if saga not in state.holds:
            self._evict_or_refuse(slot)
            state.holds[saga] = Held(slot, request.student_id, state.now + HOLD)
            state.claims[saga] = "HELD"
        held = state.holds[saga]
        if held is None or held.state == "RELEASED":
            raise Cancelled
        left = (held.expires_at - state.now).total_seconds()
        answer = availability_pb2.HoldSlotResponse(
            availability_block_id="block", expires_at=clock.to_proto(held.expires_at), seconds_left=left
        )
        answer.price.amount_minor, answer.price.currency = state.budget.get("price", PRICE), "USD"
        return answer

    def _evict_or_refuse(self, slot: str) -> None:
        """Only what is held past its end and grace gives way."""
        state = self._world.state
        for other, claim in list(state.claims.items()):
            held = state.holds[other]
            assert held is not None
            if held.slot != slot:
                continue
            if claim == "CONFIRMED" or held.expires_at + GRACE > state.now:
                raise SlotTaken
            del state.claims[other]

    def ConfirmSlot(self, request: Any, timeout: float) -> Awaitable[Any]:
        return self._do("ConfirmSlot", lambda: self._confirmed(request.saga_id))

    def _confirmed(self, saga: str) -> None:
        state = self._world.state
        if saga not in state.holds:
            raise NotFound
        held = state.holds[saga]
        if held is None or held.state == "RELEASED":
            raise Cancelled
        if held.state == "HELD" and saga not in state.claims:
            self._evict_or_refuse(held.slot)
        state.holds[saga], state.claims[saga] = held._replace(state="CONFIRMED"), "CONFIRMED"

    def ReleaseSlot(self, request: Any, timeout: float) -> Awaitable[Any]:
        return self._do("ReleaseSlot", lambda: self._released(request.saga_id))

    def _released(self, saga: str) -> None:
        held = self._world.state.holds.get(saga)
        self._world.state.holds[saga] = held._replace(state="RELEASED") if held is not None else None
        self._world.state.claims.pop(saga, None)


class Bookings(_Service):
    """Booking records."""

    def CreateBooking(self, request: Any, timeout: float) -> Awaitable[Any]:
        return self._do("CreateBooking", lambda: self._created(request))

    def _created(self, request: Any) -> booking_pb2.CreateBookingResponse:
        saga, status = self._world.state.bookings.setdefault(request.booking_id, (request.saga_id, "PAYMENT_REQUIRED"))
        assert saga == request.saga_id
        if status in BOOKING_ENDS or status == "TOMBSTONE":
            raise Cancelled
        return booking_pb2.CreateBookingResponse(booking=booking_pb2.Booking(id=request.booking_id))

    def ConfirmBooking(self, request: Any, timeout: float) -> Awaitable[Any]:
        return self._do("ConfirmBooking", lambda: self._confirmed(request))

    def _confirmed(self, request: Any) -> None:
        _, status = self._world.state.bookings.get(request.booking_id, ("", ""))
        if status in ("", "TOMBSTONE"):
            raise NotFound
        if status in BOOKING_ENDS:
            raise IllegalMove
        self._world.state.bookings[request.booking_id] = (request.saga_id, "CONFIRMED")

    def EndBooking(self, request: Any, timeout: float) -> Awaitable[Any]:
        return self._do("EndBooking", lambda: self._ended(request))

    def _ended(self, request: Any) -> None:
        """The first end wins; what is confirmed can only be cancelled."""
        told = booking_pb2.BookingStatus.Name(request.status).removeprefix("BOOKING_STATUS_")
        bookings = self._world.state.bookings
        if request.booking_id not in bookings:
            bookings[request.booking_id] = (request.saga_id, "TOMBSTONE")
            return
        _, status = bookings[request.booking_id]
        if status == "CONFIRMED" and told != "CANCELLED":
            raise IllegalMove
        if status in ("PAYMENT_REQUIRED", "CONFIRMED"):
            bookings[request.booking_id] = (request.saga_id, told)


class Sessions(_Service):
    """Sessions: there is none before it is paid."""

    def CreateConfirmedSession(self, request: Any, timeout: float) -> Awaitable[Any]:
        return self._do("CreateConfirmedSession", lambda: self._created(request))

    def _created(self, request: Any) -> Any:
        _, status = self._world.state.sessions.setdefault(request.session_id, (request.saga_id, "CONFIRMED"))
        if status in ("CANCELLED", "TOMBSTONE"):
            raise Cancelled
        return session_pb2.CreateConfirmedSessionResponse()

    def CancelSession(self, request: Any, timeout: float) -> Awaitable[Any]:
        return self._do("CancelSession", lambda: self._cancelled(request))

    def _cancelled(self, request: Any) -> None:
        sessions = self._world.state.sessions
        _, status = sessions.get(request.session_id, ("", ""))
        if status == "COMPLETED" and request.decided_at.ToDatetime(UTC) >= LESSON_ENDS:
            raise IllegalMove
        ended = "CANCELLED" if status in ("CONFIRMED", "CANCELLED", "COMPLETED") else "TOMBSTONE"
        sessions[request.session_id] = (request.saga_id, ended)
