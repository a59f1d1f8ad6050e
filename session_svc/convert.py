"""Turns requests into domain objects, and domain objects into responses. BadInput names the field."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from mesh import calls, cursors, wire
from mesh.clock import to_proto
from mesh.errors import BadInput
from session_svc.domain import Lesson, Listing, Order, Role, Session, Status
from tutormesh.common.v1.lists_pb2 import LESSON_ROLE_UNSPECIFIED, LessonRole
from tutormesh.session.v1 import session_pb2 as pb

DEFAULT_PAGE, MAX_OPS_PAGE = 20, 1000
MAX_MINUTES = 1440

_STATUS: dict[Status, pb.SessionStatus.ValueType] = {
    status: pb.SessionStatus.Value(f"SESSION_STATUS_{status.value}") for status in Status
}
#: The stored status for each status that a list may filter by. No row has PENDING_PAYMENT, so that list is empty.
_FILTERS = {number: name.removeprefix("SESSION_STATUS_") for name, number in pb.SessionStatus.items() if number}


_ROLES = {LessonRole.Value(f"LESSON_ROLE_{role.value}"): role for role in Role}
_ORDERS = {pb.SessionOrder.Value(f"SESSION_ORDER_{order.value}"): order for order in Order}
#: The order of a list that names none. Its cursors name none either.
USUAL = next(iter(Order))


def ids(request: pb.CreateConfirmedSessionRequest | pb.CancelSessionRequest) -> tuple[UUID, UUID]:
    """The session's id and the id of the saga that sells it."""
    return wire.uuid(request.session_id, "session_id"), wire.uuid(request.saga_id, "saga_id")


def decided_at(request: pb.CancelSessionRequest) -> datetime | None:
    """The instant at which the cancel was decided; None when the request does not say."""
    return wire.instant(request, "decided_at") if request.HasField("decided_at") else None


def lesson(request: pb.CreateConfirmedSessionRequest) -> Lesson:
    """The lesson that was sold."""
    sold = Lesson(
        booking_id=wire.uuid(request.booking_id, "booking_id"),
        tutor_id=wire.uuid(request.tutor_id, "tutor_id"),
        student_id=wire.uuid(request.student_id, "student_id"),
        scheduled_at=wire.instant(request, "scheduled_at"),
        minutes=wire.whole(request.duration_minutes, "duration_minutes", 1, MAX_MINUTES),
    )
    if sold.tutor_id == sold.student_id:
        raise BadInput("must not be the tutor", field="student_id")
    return sold


def status(request: pb.ListSessionsRequest) -> str | None:
    """The status to list; None means every status."""
    if request.status == pb.SESSION_STATUS_UNSPECIFIED:
        return None
    if request.status not in _FILTERS:
        raise BadInput("not a status", field="status")
    return _FILTERS[request.status]


def listing(request: pb.ListSessionsRequest, person: UUID) -> Listing:
    """What the list of this person's sessions holds."""
    begin, end = wire.period(request)
    return Listing(person, status(request), _role(request), begin, end, _order(request))


def require_no_person(request: pb.ListSessionsRequest) -> None:
    """Raises BadInput for what only the list of one person can leave out, or order."""
    if request.HasField("from") or request.HasField("to") or request.role or request.order:
        raise BadInput("must be given with from, to, role or order", field="person_id")


def _role(request: pb.ListSessionsRequest) -> Role | None:
    if request.role == LESSON_ROLE_UNSPECIFIED:
        return None
    if request.role not in _ROLES:
        raise BadInput("not a role", field="role")
    return _ROLES[request.role]


def _order(request: pb.ListSessionsRequest) -> Order:
    if request.order == pb.SESSION_ORDER_UNSPECIFIED:
        return USUAL
    if request.order not in _ORDERS:
        raise BadInput("not an order", field="order")
    return _ORDERS[request.order]


def page_size(request: pb.ListSessionsRequest) -> int:
    most = MAX_OPS_PAGE if calls.current().service == "ops" else wire.MAX_PAGE
    return wire.page_size(request.page_size, DEFAULT_PAGE, most)


def cursor(request: pb.ListSessionsRequest, order: Order) -> tuple[datetime, UUID] | None:
    return cursors.decode(request.page_token, order=_cursor_name(order))


def cursor_by_id(request: pb.ListSessionsRequest) -> UUID | None:
    return cursors.decode_id(request.page_token)


class Encoder:
    """Turns sessions into messages. `link_template` is the URL of a meeting with {room} in it; None means no link."""

    def __init__(self, link_template: str | None) -> None:
        self._link_template = link_template

    def session(self, session: Session) -> pb.Session:
        return pb.Session(
            id=str(session.id),
            booking_id=str(session.lesson.booking_id),
            tutor_id=str(session.lesson.tutor_id),
            student_id=str(session.lesson.student_id),
            scheduled_at=to_proto(session.lesson.scheduled_at),
            duration_minutes=session.lesson.minutes,
            status=_STATUS[session.status],
            meeting_link=self._meeting_link(session),
            saga_id=str(session.saga_id),
        )

    def page(self, found: Sequence[Session], size: int, order: Order | None) -> pb.ListSessionsResponse:
        """The first `size` sessions as a page; without an order they are in id order.

        `found` has one more when there is a next page.
        """
        page = cursors.cut(found, size, partial(_cursor, order) if order else _cursor_by_id)
        return pb.ListSessionsResponse(
            sessions=map(self.session, page.rows), next_page_token=page.next_page_token, cursors=page.cursors
        )

    def _meeting_link(self, session: Session) -> str:
        if self._link_template is None or session.status is Status.CANCELLED:
            return ""
        return self._link_template.replace("{room}", session.room)


def _cursor(order: Order, session: Session) -> str:
    return cursors.encode(session.lesson.scheduled_at, session.id, _cursor_name(order))


def _cursor_name(order: Order) -> str:
    return "" if order is USUAL else order.value


def _cursor_by_id(session: Session) -> str:
    return cursors.encode_id(session.id)
