"""Turns requests into domain objects, and domain objects into responses. BadInput names the field."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from booking_svc.domain import ENDS, Booking, Details, Event, Listing, Order, Role, Status
from mesh import calls, cursors, wire
from mesh.clock import to_proto
from mesh.errors import BadInput
from tutormesh.booking.v1 import booking_pb2 as pb
from tutormesh.common.v1.lists_pb2 import LESSON_ROLE_UNSPECIFIED, LessonRole
from tutormesh.common.v1.timeline_pb2 import BookingTimeline, TimelineEntry

MAX_TEXT = 1000
DEFAULT_PAGE, MAX_OPS_PAGE = 20, 1000

_STATUS: dict[Status, pb.BookingStatus.ValueType] = {
    status: pb.BookingStatus.Value(f"BOOKING_STATUS_{status.value}") for status in Status
}
_ENDS: dict[pb.BookingStatus.ValueType, Status] = {_STATUS[status]: status for status in ENDS}


_ROLES = {LessonRole.Value(f"LESSON_ROLE_{role.value}"): role for role in Role}
_ORDERS = {pb.BookingOrder.Value(f"BOOKING_ORDER_{order.value}"): order for order in Order}
#: The order of a list that names none. Its cursors name none either.
USUAL = next(iter(Order))


def ids(request: pb.CreateBookingRequest | pb.ConfirmBookingRequest | pb.EndBookingRequest) -> tuple[UUID, UUID]:
    """The booking's id and the id of the saga that sells it."""
    return wire.uuid(request.booking_id, "booking_id"), wire.uuid(request.saga_id, "saga_id")


def details(request: pb.CreateBookingRequest) -> Details:
    """The details of the booking to create. A free lesson needs no payment."""
    price = wire.money(request, "price")
    payment_id = wire.optional_uuid if price.amount_minor == 0 else wire.uuid
    details = Details(
        tutor_id=wire.uuid(request.tutor_id, "tutor_id"),
        student_id=wire.uuid(request.student_id, "student_id"),
        course_id=wire.optional_uuid(request.course_id, "course_id"),
        start=wire.instant(request, "start_time"),
        end=wire.instant(request, "end_time"),
        price=price,
        purpose=wire.text(request.purpose, "purpose", MAX_TEXT),
        hold_expires_at=wire.instant(request, "hold_expires_at"),
        availability_block_id=wire.uuid(request.availability_block_id, "availability_block_id"),
        session_id=wire.uuid(request.session_id, "session_id"),
        payment_id=payment_id(request.payment_id, "payment_id"),
    )
    if details.tutor_id == details.student_id:
        raise BadInput("must not be the tutor", field="student_id")
    if details.end <= details.start:
        raise BadInput("must be after start_time", field="end_time")
    return details


def end(request: pb.EndBookingRequest) -> tuple[Status, str]:
    """The status in which the booking ends, and the reason."""
    status = _ENDS.get(request.status)
    if status is None:
        raise BadInput("must be CANCELLED, PAYMENT_FAILED or EXPIRED", field="status")
    return status, wire.text(request.reason, "reason", MAX_TEXT)


def status(request: pb.ListBookingsRequest) -> str | None:
    """The status to list; None means every status."""
    if request.status == pb.BOOKING_STATUS_UNSPECIFIED:
        return None
    if request.status not in _STATUS.values():
        raise BadInput("not a status", field="status")
    return pb.BookingStatus.Name(request.status).removeprefix("BOOKING_STATUS_")


def listing(request: pb.ListBookingsRequest, person: UUID) -> Listing:
    """What the list of this person's bookings holds."""
    begin, end = wire.period(request)
    return Listing(person, status(request), _role(request), begin, end, _order(request))


def require_no_person(request: pb.ListBookingsRequest) -> None:
    """Raises BadInput for what only the list of one person can leave out, or order."""
    if request.HasField("from") or request.HasField("to") or request.role or request.order:
        raise BadInput("must be given with from, to, role or order", field="person_id")


def _role(request: pb.ListBookingsRequest) -> Role | None:
    if request.role == LESSON_ROLE_UNSPECIFIED:
        return None
    if request.role not in _ROLES:
        raise BadInput("not a role", field="role")
    return _ROLES[request.role]


def _order(request: pb.ListBookingsRequest) -> Order:
    if request.order == pb.BOOKING_ORDER_UNSPECIFIED:
        return USUAL
    if request.order not in _ORDERS:
        raise BadInput("not an order", field="order")
    return _ORDERS[request.order]


def page_size(request: pb.ListBookingsRequest) -> int:
    most = MAX_OPS_PAGE if calls.current().service == "ops" else wire.MAX_PAGE
    return wire.page_size(request.page_size, DEFAULT_PAGE, most)


def cursor(request: pb.ListBookingsRequest, order: Order) -> tuple[datetime, UUID] | None:
    return cursors.decode(request.page_token, order=_cursor_name(order))


def cursor_by_id(request: pb.ListBookingsRequest) -> UUID | None:
    return cursors.decode_id(request.page_token)


def to_page(found: Sequence[Booking], size: int, order: Order | None) -> pb.ListBookingsResponse:
    """The first `size` bookings as a page; without an order they are in id order.

    `found` has one more when there is a next page.
    """
    page = cursors.cut(found, size, partial(_cursor, order) if order else _cursor_by_id)
    return pb.ListBookingsResponse(
        bookings=map(to_booking, page.rows), next_page_token=page.next_page_token, cursors=page.cursors
    )


def _cursor(order: Order, booking: Booking) -> str:
    at = booking.created_at if order is Order.CREATED_DESC else booking.details.start
    return cursors.encode(at, booking.id, _cursor_name(order))


def _cursor_name(order: Order) -> str:
    return "" if order is USUAL else order.value


def _cursor_by_id(booking: Booking) -> str:
    return cursors.encode_id(booking.id)


def to_status(status: Status) -> pb.BookingStatus.ValueType:
    return _STATUS[status]


def to_booking(booking: Booking) -> pb.Booking:
    """The booking for its readers. Once nothing is held, it shows no end of a hold."""
    details = booking.details
    return pb.Booking(
        id=str(booking.id),
        saga_id=str(booking.saga_id),
        status=_STATUS[booking.status],
        tutor_id=str(details.tutor_id),
        student_id=str(details.student_id),
        course_id=_text(details.course_id),
        start_time=to_proto(details.start),
        end_time=to_proto(details.end),
        price=wire.to_money(details.price),
        purpose=details.purpose,
        hold_expires_at=to_proto(details.hold_expires_at) if booking.is_held else None,
        availability_block_id=str(details.availability_block_id),
        session_id=str(details.session_id),
        payment_id=_text(details.payment_id),
        created_at=to_proto(booking.created_at),
        version=booking.version,
    )


def to_timeline(events: Sequence[Event]) -> list[TimelineEntry]:
    return [
        TimelineEntry(at=to_proto(event.at), service="booking", event=event.event, detail=event.detail)
        for event in events
    ]


def to_timelines(found: Sequence[tuple[Booking, Sequence[Event]]]) -> pb.BatchGetTimelinesResponse:
    timelines = [BookingTimeline(booking_id=str(booking.id), entries=to_timeline(events)) for booking, events in found]
    return pb.BatchGetTimelinesResponse(timelines=timelines)


def _text(value: UUID | None) -> str:
    return str(value) if value else ""
