"""Turns requests into domain objects, and domain objects into responses. BadInput names the field."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID, uuid4

from learning_svc.domain import ENDS, Course, Enrollment, NewCourse, Order, Record, SeatCount, Status, Tombstone
from mesh import calls, cursors, wire
from mesh.clock import to_proto
from mesh.errors import BadInput
from tutormesh.learning.v1 import learning_pb2 as pb

MAX_TITLE, MAX_SEATS = 200, 1_000_000
DEFAULT_PAGE, MAX_OPS_PAGE = 20, 1000
MAX_BATCH = 200

_STATUS: dict[Status, pb.EnrollmentStatus.ValueType] = {
    status: pb.EnrollmentStatus.Value(f"ENROLLMENT_STATUS_{status.value}") for status in Status
}
_ENDS: dict[pb.EnrollmentStatus.ValueType, Status] = {_STATUS[status]: status for status in ENDS}

IdsRequest = pb.CreateEnrollmentRecordRequest | pb.EndEnrollmentRequest | pb.CancelEnrollmentRequest


def new_course(request: pb.CreateCourseRequest, instructor_id: UUID) -> NewCourse:
    """The draft to create, with the request's id or a new one."""
    title = wire.text(request.title, "title", MAX_TITLE, least=1)
    if not title.strip():
        raise BadInput("must not be blank", field="title")
    return NewCourse(
        id=wire.optional_uuid(request.course_id, "course_id") or uuid4(),
        title=title,
        instructor_id=instructor_id,
        price=wire.price(request, "price"),
        seats=wire.whole(request.seats, "seats", 0, MAX_SEATS) or None,
    )


def order(request: pb.HoldSeatRequest) -> Order:
    """The seat that a saga wants to hold."""
    return Order(
        saga_id=wire.uuid(request.saga_id, "saga_id"),
        enrollment_id=wire.uuid(request.enrollment_id, "enrollment_id"),
        course_id=wire.uuid(request.course_id, "course_id"),
        student_id=wire.uuid(request.student_id, "student_id"),
        payment_id=wire.uuid(request.payment_id, "payment_id"),
        expected_price=wire.money(request, "expected_price") if request.HasField("expected_price") else None,
    )


def ids(request: IdsRequest) -> tuple[UUID, UUID]:
    """The enrollment's id and the id of the saga that sells it."""
    return wire.uuid(request.enrollment_id, "enrollment_id"), wire.uuid(request.saga_id, "saga_id")


def batch_ids(values: Sequence[str], field: str) -> list[UUID]:
    """The ids to look up, at most MAX_BATCH, without repetitions."""
    if len(values) > MAX_BATCH:
        raise BadInput(f"must be at most {MAX_BATCH}", field=field)
    return list({wire.uuid(value, field) for value in values})


def end(request: pb.EndEnrollmentRequest) -> Status:
    """The status in which the enrollment ends."""
    status = _ENDS.get(request.status)
    if status is None:
        raise BadInput("must be CANCELLED, PAYMENT_FAILED or EXPIRED", field="status")
    return status


def page_size(request: pb.ListCoursesRequest | pb.ListEnrollmentsRequest) -> int:
    is_ops = isinstance(request, pb.ListEnrollmentsRequest) and calls.current().service == "ops"
    return wire.page_size(request.page_size, DEFAULT_PAGE, MAX_OPS_PAGE if is_ops else wire.MAX_PAGE)


def to_courses_page(found: Sequence[Course], size: int) -> pb.ListCoursesResponse:
    """The first `size` courses as a page. `found` has one more when there is a next page."""
    page = cursors.cut(found, size, _cursor)
    return pb.ListCoursesResponse(
        courses=map(to_course, page.rows), next_page_token=page.next_page_token, cursors=page.cursors
    )


def to_enrollments_page(found: Sequence[Record], size: int, *, by_id: bool) -> pb.ListEnrollmentsResponse:
    """The first `size` enrollments as a page. `found` has one more when there is a next page."""
    page = cursors.cut(found, size, _cursor_by_id if by_id else _cursor)
    return pb.ListEnrollmentsResponse(
        enrollments=to_enrollments(page.rows), next_page_token=page.next_page_token, cursors=page.cursors
    )


def to_seat_counts(found: Sequence[SeatCount], more: str) -> pb.ListSeatCountsResponse:
    counts = [
        pb.SeatCount(
            course_id=str(each.course_id),
            seats=each.seats or 0,
            seats_taken=each.seats_taken,
            active=each.active,
            held=each.held,
        )
        for each in found
    ]
    return pb.ListSeatCountsResponse(counts=counts, next_page_token=more)


def _cursor(row: Course | Record) -> str:
    return cursors.encode(row.created_at, row.id)


def _cursor_by_id(record: Record) -> str:
    return cursors.encode_id(record.id)


def to_course(course: Course) -> pb.Course:
    return pb.Course(
        id=str(course.id),
        title=course.title,
        instructor_id=str(course.instructor_id),
        price=wire.to_money(course.price),
        published=course.published,
        seats=course.seats or 0,
        seats_taken=course.seats_taken,
        created_at=to_proto(course.created_at),
    )


def to_hold_response(held: Enrollment) -> pb.HoldSeatResponse:
    return pb.HoldSeatResponse(
        price=wire.to_money(held.price),
        expires_at=to_proto(held.hold_expires_at),
        seconds_left=held.seconds_left,
        instructor_id=str(held.instructor_id),
        course_title=held.course_title,
    )


def to_enrollments(records: Iterable[Record]) -> list[pb.Enrollment]:
    return [to_enrollment(record) for record in records]


def to_enrollment(record: Record) -> pb.Enrollment:
    if isinstance(record, Tombstone):
        return pb.Enrollment(
            id=str(record.id),
            saga_id=str(record.saga_id),
            status=_STATUS[record.status],
            created_at=to_proto(record.created_at),
        )
    waits = record.status is Status.PAYMENT_REQUIRED
    return pb.Enrollment(
        id=str(record.id),
        saga_id=str(record.saga_id),
        course_id=str(record.course_id),
        student_id=str(record.student_id),
        instructor_id=str(record.instructor_id),
        status=_STATUS[record.status],
        price=wire.to_money(record.price),
        payment_id=str(record.payment_id) if record.payment_id else "",
        hold_expires_at=to_proto(record.hold_expires_at) if waits else None,
        created_at=to_proto(record.created_at),
        activated_at=to_proto(record.activated_at),
        version=record.version,
    )
