"""What this service speaks of: schedules, lessons, holds, blocks, claims; and the refusals that are its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from mesh.errors import Refusal, StatusCode
from mesh.money import Money


class SlotTaken(Refusal):
    """This time is not to be had."""

    # Not ABORTED: nobody should send this again blindly.
    reason = "SLOT_TAKEN"


class StudentBusy(Refusal):
    """You have something else at this time."""

    reason = "STUDENT_BUSY"


class OutsideWorkingHours(Refusal):
    """The tutor does not work at this time."""

    reason = "OUTSIDE_WORKING_HOURS"


class TooSoon(Refusal):
    """It is too late to book this time."""

    reason = "TOO_SOON"


class TooManyHolds(Refusal):
    """Pay for, or cancel, what you have reserved before reserving more."""

    reason = "TOO_MANY_HOLDS"


class TutorNotFound(Refusal):
    """There is no such tutor."""

    code = StatusCode.NOT_FOUND
    reason = "TUTOR_NOT_FOUND"


class IdempotencyMismatch(Refusal):
    """This key was used for something else."""

    reason = "IDEMPOTENCY_MISMATCH"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open stretch of time, [start, end), in aware UTC instants."""

    start: datetime
    end: datetime

    def overlaps(self, other: Span) -> bool:
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Weekly working time in minutes of the tutor's local week: 0 is Monday 00:00, 10080 the end of Sunday."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """A tutor's week in the wall-clock of an IANA zone; windows in order, never touching."""

    timezone: str
    windows: tuple[Window, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Everything a tutor publishes. Notice and buffer in minutes, the rate per hour."""

    tutor_id: UUID
    hours: WorkingHours
    notice: int
    buffer: int
    rate: Money

    def too_soon(self, start: datetime, now: datetime) -> bool:
        """True when a lesson at `start` has begun, or is inside the notice."""
        return start <= now or start < now + timedelta(minutes=self.notice)

    def taken(self, lesson: Span) -> Span:
        """What a lesson takes of the tutor's calendar: itself and the buffer behind it."""
        return taken(lesson, self.buffer)


def taken(lesson: Span, buffer: int) -> Span:
    """A lesson widened by a tutor's buffer, in minutes.

    The buffer is widened behind the lesson only. Between two lessons lies then one buffer and not two: the first one's.
    A lesson may begin right where a block ends, and must end its buffer before a block begins.
    """
    return Span(lesson.start, lesson.end + timedelta(minutes=buffer))


class HoldState(StrEnum):
    """What became of a saga's claim."""

    HELD = "HELD"
    CONFIRMED = "CONFIRMED"
    RELEASED = "RELEASED"


class ClaimState(StrEnum):
    """What a claim on a calendar is; every one of them is live."""

    HELD = "HELD"
    CONFIRMED = "CONFIRMED"
    BLOCKED = "BLOCKED"


@dataclass(frozen=True, slots=True)
class Wish:
    """A saga that wants a lesson."""

    saga_id: UUID
    tutor_id: UUID
    student_id: UUID
    lesson: Span

    @property
    def minutes(self) -> int:
        return int((self.lesson.end - self.lesson.start) / timedelta(minutes=1))


@dataclass(frozen=True, slots=True)
class Hold:
    """A saga's claim on two calendars, as it was made; buffer and price are frozen with it."""

    wish: Wish
    buffer: int
    price: Money
    block_id: UUID
    expires_at: datetime
    state: HoldState = HoldState.HELD


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The release of a hold that had not arrived: it never will."""

    saga_id: UUID


@dataclass(frozen=True, slots=True)
class Granted:
    """A hold, and the seconds left to it on the database's clock."""

    hold: Hold
    seconds_left: float


@dataclass(frozen=True, slots=True)
class InTheWay:
    """What lies where somebody wants to be: rows that give way, and whether any does not."""

    lapsed: tuple[UUID, ...] = ()
    on_tutor: bool = False
    on_student: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a hold lasts, how long after its end it still stands, how many a student may have."""

    hold: timedelta
    grace: timedelta
    max_unpaid: int


@dataclass(frozen=True, slots=True)
class Block:
    """Time a tutor took out."""

    id: UUID
    span: Span
    reason: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One calendar's row; the range has the buffer in it."""

    id: UUID
    calendar_id: UUID
    saga_id: UUID | None
    state: ClaimState
    span: Span
    expires_at: datetime | None
