"""Pieces of SQL that several statements share, and functions that turn rows into domain objects."""

from __future__ import annotations

from learning_svc.domain import Course, Enrollment, Record, Status, Tombstone
from mesh.database import Row
from mesh.money import Money

COURSE = "id, instructor_id, title, price_minor, currency, published, seats, seats_taken, created_at"
_READ = (
    "id saga_id status course_id student_id instructor_id price_minor currency payment_id hold_expires_at holds_seat"
    " created_at activated_at"
).split()
_SECONDS_LEFT = "cast(extract(epoch from {row}hold_expires_at - clock_timestamp()) as double precision) as seconds_left"
#: The columns of an enrollment, and the seconds until its hold ends, counted when the row is read.
ENROLLMENT = ", ".join([*_READ, _SECONDS_LEFT.format(row="")])
ENROLLMENT_OF_E = ", ".join([*(f"e.{name}" for name in _READ), _SECONDS_LEFT.format(row="e.")])
#: A page of a list that is newest first: behind the cursor (:at, :id), or from the beginning when these are null.
BEFORE = """(created_at, id) < (
        coalesce(cast(:at as timestamptz), 'infinity'),
        coalesce(cast(:id as uuid), 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    order by created_at desc, id desc limit :most"""


def as_course(row: Row) -> Course:
    return Course(
        id=row.id,
        title=row.title,
        instructor_id=row.instructor_id,
        price=Money(row.price_minor, row.currency),
        published=row.published,
        seats=row.seats,
        seats_taken=row.seats_taken,
        created_at=row.created_at,
    )


def as_record(row: Row) -> Record:
    if row.course_id is None:
        return Tombstone(row.id, row.saga_id, Status(row.status), row.created_at)
    return as_enrollment(row)


def as_enrollment(row: Row) -> Enrollment:
    return Enrollment(
        id=row.id,
        saga_id=row.saga_id,
        course_id=row.course_id,
        student_id=row.student_id,
        instructor_id=row.instructor_id,
        status=Status(row.status),
        price=Money(row.price_minor, row.currency),
        payment_id=row.payment_id,
        hold_expires_at=row.hold_expires_at,
        seconds_left=row.seconds_left,
        holds_seat=row.holds_seat,
        created_at=row.created_at,
        activated_at=row.activated_at,
    )
