"""Between the contract's messages and the domain's words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from mesh import calls, cursors, wire
from mesh.clock import to_proto
from mesh.errors import BadInput
from session_svc.domain import Lesson, Session, Status
from tutormesh.session.v1 import session_pb2 as pb

DEFAULT_PAGE, MAX_OPS_PAGE = 20, 1000
MAX_MINUTES = 1440

_STATUS: dict[Status, pb.SessionStatus.ValueType] = {
    status: pb.SessionStatus.Value(f"SESSION_STATUS_{status.value}") for status in Status
}
#: What is stored for each status one may ask for. Nothing is ever stored as PENDING_PAYMENT: that list is empty.
_FILTERS = {number: name.removeprefix("SESSION_STATUS_") for name, number in pb.SessionStatus.items() if number}


def ids(request: pb.CreateConfirmedSessionRequest | pb.CancelSessionRequest) -> tuple[UUID, UUID]:
    """The session and the saga that sells it."""
    return wire.uuid(request.session_id, "session_id"), wire.uuid(request.saga_id, "saga_id")


def decided_at(request: pb.CancelSessionRequest) -> datetime | None:
    """When the cancel was decided; None when that is not told."""
    return wire.instant(request, "decided_at") if request.HasField("decided_at") else None


def lesson(request: pb.CreateConfirmedSessionRequest) -> Lesson:
    """What was paid for. Raises BadInput that names the field."""
    paid = Lesson(
        booking_id=wire.uuid(request.booking_id, "booking_id"),
        tutor_id=wire.uuid(request.tutor_id, "tutor_id"),
        student_id=wire.uuid(request.student_id, "student_id"),
        scheduled_at=wire.instant(request, "scheduled_at"),
        minutes=wire.whole(request.duration_minutes, "duration_minutes", 1, MAX_MINUTES),
    )
    if paid.tutor_id == paid.student_id:
        raise BadInput("must not be the tutor", field="student_id")
    return paid


def status(request: pb.ListSessionsRequest) -> str | None:
    """The status asked for; None means all."""
    if request.status == pb.SESSION_STATUS_UNSPECIFIED:
        return None
    if request.status not in _FILTERS:
        raise BadInput("not a status", field="status")
    return _FILTERS[request.status]


def page_size(request: pb.ListSessionsRequest) -> int:
    most = MAX_OPS_PAGE if calls.current().service == "ops" else wire.MAX_PAGE
    return wire.page_size(request.page_size, DEFAULT_PAGE, most)


def place(request: pb.ListSessionsRequest) -> tuple[datetime, UUID] | None:
    return cursors.decode(request.page_token)


def place_by_id(request: pb.ListSessionsRequest) -> UUID | None:
    return cursors.decode_id(request.page_token)


class Encoder:
    """Makes messages of sessions; knows where people meet: `link_template` has {room} in it, None is nowhere."""

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
            meeting_link=self._link(session),
            saga_id=str(session.saga_id),
        )

    def page(self, found: Sequence[Session], size: int, *, by_id: bool) -> pb.ListSessionsResponse:
        """A page of `size` out of what was found, which is one more when there is a next page."""
        page, token = found[:size], ""
        if len(found) > size:
            last = page[-1]
            token = cursors.encode_id(last.id) if by_id else cursors.encode(last.lesson.scheduled_at, last.id)
        return pb.ListSessionsResponse(sessions=map(self.session, page), next_page_token=token)

    def _link(self, session: Session) -> str:
        if self._link_template is None or session.status is Status.CANCELLED:
            return ""
        return self._link_template.replace("{room}", session.room)
