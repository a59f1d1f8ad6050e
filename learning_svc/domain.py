"""What this service speaks of: courses, enrollments, seats; and the refusals that are its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from mesh.errors import IllegalMove, Refusal, StatusCode, TryAgain
from mesh.money import Money


class CourseNotFound(Refusal):
    """There is no such course."""

    code = StatusCode.NOT_FOUND
    reason = "COURSE_NOT_FOUND"


class CourseNotPublished(Refusal):
    """Nobody can enroll in this course yet."""

    reason = "COURSE_NOT_PUBLISHED"


class CourseFull(Refusal):
    """No seat is left."""

    # Not ABORTED: nobody should send this again blindly.
    reason = "COURSE_FULL"


class AlreadyEnrolled(Refusal):
    """The student has a seat in this course, or holds one."""

    code = StatusCode.ALREADY_EXISTS
    reason = "ALREADY_ENROLLED"


class Raced(TryAgain):
    """Another call with the same ids came between."""


class Status(StrEnum):
    """Where an enrollment stands."""

    PAYMENT_REQUIRED = "PAYMENT_REQUIRED"
    ACTIVE = "ACTIVE"
    CANCELLED = "CANCELLED"
    PAYMENT_FAILED = "PAYMENT_FAILED"
    EXPIRED = "EXPIRED"


ENDS = frozenset({Status.CANCELLED, Status.PAYMENT_FAILED, Status.EXPIRED})
MOVES: Mapping[Status, frozenset[Status]] = {
    Status.PAYMENT_REQUIRED: frozenset({Status.ACTIVE}) | ENDS,
    Status.ACTIVE: frozenset({Status.CANCELLED}),
    **dict.fromkeys(ENDS, frozenset()),
}


def must_be(now: Status, told: Status) -> None:
    """Raises IllegalMove unless an enrollment stands where it was told to go."""
    if now is not told:
        raise IllegalMove(f"an enrollment cannot go from {now} to {told}")


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a seat is held for payment, and how long after that it is given to others."""

    hold: timedelta
    grace: timedelta


@dataclass(frozen=True, slots=True)
class NewCourse:
    """A draft to make; `seats` is None for no limit."""

    id: UUID
    title: str
    instructor_id: UUID
    price: Money
    seats: int | None


@dataclass(frozen=True, slots=True)
class Course:
    """Something taught to many. `seats` is None for no limit; `created_at` is aware and UTC."""

    id: UUID
    title: str
    instructor_id: UUID
    price: Money
    published: bool
    seats: int | None
    seats_taken: int
    created_at: datetime

    @property
    def is_full(self) -> bool:
        return self.seats is not None and self.seats_taken >= self.seats


@dataclass(frozen=True, slots=True)
class Standing:
    """What a student meets who wants a seat: the course, and who is in the way at this instant."""

    course: Course
    is_enrolled: bool  # has a seat that does not give way
    gives_way: bool  # a lapsed hold of anybody's can be taken over


@dataclass(frozen=True, slots=True)
class Claim:
    """A seat asked for, under the saga's id."""

    saga_id: UUID
    enrollment_id: UUID
    course_id: UUID
    student_id: UUID
    payment_id: UUID


@dataclass(frozen=True, slots=True)
class Enrollment:
    """A student's place in a course. Instants are aware and UTC; `payment_id` is None when there is nothing to pay.

    `seconds_left` is what is left of the hold by the database's clock, at the time of reading.
    """

    id: UUID
    saga_id: UUID
    course_id: UUID
    student_id: UUID
    instructor_id: UUID
    status: Status
    price: Money
    payment_id: UUID | None
    hold_expires_at: datetime
    seconds_left: float
    holds_seat: bool
    created_at: datetime
    activated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The end of an enrollment that had not arrived: it never will."""

    id: UUID
    saga_id: UUID
    status: Status
    created_at: datetime


Record = Enrollment | Tombstone
