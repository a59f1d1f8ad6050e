"""Courses, orders and enrollments; and the refusals that only this service raises."""

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

    # The code is not ABORTED, because a client should not send the same request again.
    reason = "COURSE_FULL"


class AmountMismatch(Refusal):
    """The price is not the course's."""

    reason = "AMOUNT_MISMATCH"


class AlreadyEnrolled(Refusal):
    """The student has a seat in this course, or holds one."""

    code = StatusCode.ALREADY_EXISTS
    reason = "ALREADY_ENROLLED"


class TooManyHolds(Refusal):
    """Pay for, or cancel, what you have reserved before reserving more."""

    reason = "TOO_MANY_HOLDS"


class TooManyCourses(Refusal):
    """You have as many courses as one may have."""

    reason = "TOO_MANY_COURSES"


class IdempotencyMismatch(Refusal):
    """This key was used for another course."""

    reason = "IDEMPOTENCY_MISMATCH"


class Raced(TryAgain):
    """Another call with the same ids came between."""


class Status(StrEnum):
    """The status of an enrollment."""

    PAYMENT_REQUIRED = "PAYMENT_REQUIRED"
    ACTIVE = "ACTIVE"
    CANCELLED = "CANCELLED"
    PAYMENT_FAILED = "PAYMENT_FAILED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class SeatCount:
    """A course with its seats, all counted at one time. `seats` None means that there is no limit."""

    course_id: UUID
    seats: int | None
    seats_taken: int
    active: int
    held: int


ENDS = frozenset({Status.CANCELLED, Status.PAYMENT_FAILED, Status.EXPIRED})
MOVES: Mapping[Status, frozenset[Status]] = {
    Status.PAYMENT_REQUIRED: frozenset({Status.ACTIVE}) | ENDS,
    Status.ACTIVE: frozenset({Status.CANCELLED}),
    **dict.fromkeys(ENDS, frozenset()),
}


def must_be(now: Status, wanted: Status) -> None:
    """Raises IllegalMove unless an enrollment has the status that a call wanted it to have."""
    if now is not wanted:
        raise IllegalMove(f"an enrollment cannot go from {now} to {wanted}")


@dataclass(frozen=True, slots=True)
class Limits:
    """The most unpaid enrollments of a student, and courses of an instructor.

    After `lapses` enrollments of a student that ended unpaid within an hour, the student waits for `pause`.
    """

    unpaid: int
    lapses: int
    pause: timedelta
    courses: int


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a seat is held for payment, how long after that another may take it over, and what a person may have."""

    hold: timedelta
    grace: timedelta
    limits: Limits


@dataclass(frozen=True, slots=True)
class NewCourse:
    """A draft to create. `seats` is None for no limit."""

    id: UUID
    title: str
    instructor_id: UUID
    price: Money
    seats: int | None


@dataclass(frozen=True, slots=True)
class Course:
    """A course. `seats` is None for no limit; `created_at` is aware and UTC."""

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
class Situation:
    """The facts that decide about an order, read at one instant of the database's clock."""

    course: Course
    is_enrolled: bool  # the student is active in the course, or has a hold that has not lapsed
    has_lapsed_hold: bool  # some student's hold has lapsed, so that its seat can be taken over
    has_most: bool  # the student has as many unpaid enrollments as one may have
    is_paused: bool  # too many enrollments of the student ended unpaid a moment ago


@dataclass(frozen=True, slots=True)
class Order:
    """The seat that a saga wants to hold."""

    saga_id: UUID
    enrollment_id: UUID
    course_id: UUID
    student_id: UUID
    payment_id: UUID
    expected_price: Money | None = None


@dataclass(frozen=True, slots=True)
class Enrollment:
    """The record of a student in a course. Instants are aware and UTC; `payment_id` is None for a free course.

    `holds_seat` is false once the enrollment has ended, or another student has taken its lapsed hold over.
    `seconds_left` counts to the end of the hold on the database's clock, from the time of reading. `course_title` is read
    only when a seat is held.
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
    course_title: str = ""

    @property
    def has_ended(self) -> bool:
        return self.status in ENDS

    @property
    def version(self) -> int:
        """1 at first; it grows by 1 with each change of the status, which only goes forward."""
        return 1 + (self.activated_at is not None) + self.has_ended


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The row of an enrollment that was ended before it arrived. It refuses the late enrollment."""

    id: UUID
    saga_id: UUID
    status: Status
    created_at: datetime


Record = Enrollment | Tombstone
