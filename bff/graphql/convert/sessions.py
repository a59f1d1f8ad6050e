"""proto ↔ the schema of `sessions.graphql`."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from bff.graphql.convert.values import Arguments, Shape, enum_name, enum_number, read_lessons, read_page, user
from bff.times import format_time
from tutormesh.session.v1 import session_pb2


def list_sessions_request(person: UUID, arguments: Arguments) -> session_pb2.ListSessionsRequest:
    status = enum_number(session_pb2.SessionStatus, arguments.get("status"))
    order = enum_number(session_pb2.SessionOrder, arguments.get("order"))
    return session_pb2.ListSessionsRequest(
        person_id=str(person),
        status=cast("session_pb2.SessionStatus.ValueType", status),
        order=cast("session_pb2.SessionOrder.ValueType", order),
        **read_lessons(arguments),
        **read_page(arguments),
    )


def session(value: session_pb2.Session) -> Shape:
    return {
        "id": value.id,
        "bookingId": value.booking_id,
        "tutorId": value.tutor_id,
        "tutor": user(value.tutor_id),
        "studentId": value.student_id,
        "student": user(value.student_id),
        "scheduledAt": format_time(value.scheduled_at),
        "durationMinutes": value.duration_minutes,
        "status": enum_name(session_pb2.SessionStatus, value.status),
        "meetingLink": value.meeting_link or None,
    }
