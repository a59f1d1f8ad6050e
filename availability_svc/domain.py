"""Schedules, orders, holds, blocks and claims; and the refusals that only this service raises."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from mesh.errors import Refusal, StatusCode
from mesh.money import Money


class SlotTaken(Refusal):
    """This time is not to be had."""

    # The code is not ABORTED, because a client should not send the same request again.
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


class LengthNotOffered(Refusal):
    """The tutor gives no lessons of this length."""

    reason = "LENGTH_NOT_OFFERED"


class StartNotOffered(Refusal):
    """The tutor gives no lessons that start at this minute."""

    reason = "START_NOT_OFFERED"


class TooFarAhead(Refusal):
    """The tutor does not take bookings so far ahead."""

    reason = "TOO_FAR_AHEAD"


class TooManyHolds(Refusal):
    """Pay for, or cancel, what you have reserved before reserving more."""

    reason = "TOO_MANY_HOLDS"


class AmountMismatch(Refusal):
    """The price is not the tutor's."""

    reason = "AMOUNT_MISMATCH"


class TooManyBlocks(Refusal):
    """Remove blocks before you make more."""

    reason = "TOO_MANY_BLOCKS"


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
    """A tutor's week in the wall-clock of an IANA zone. The windows are as published, in order; they may overlap."""

    timezone: str
    windows: tuple[Window, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """Which lessons a tutor gives: their lengths, the minutes between two starts, and the most days ahead."""

    shortest: int = 15
    longest: int = 240
    start_every: int = 15
    days_ahead: int = 365


@dataclass(frozen=True, slots=True)
class Schedule:
    """Everything that a tutor publishes. Notice and buffer are in minutes, the rate is per hour.

    Students read `display_name` as the tutor's name. Pages that list tutors leave out one that is not `listed`.
    """

    tutor_id: UUID
    hours: WorkingHours
    notice: int
    buffer: int
    rate: Money
    offer: Offer = Offer()
    display_name: str = ""
    is_listed: bool = True

    def has_length(self, minutes: int) -> bool:
        """True when the tutor gives lessons of this length. Only a rate of 0 makes a lesson free."""
        is_free_by_rounding = self.rate.amount_minor > 0 and self.price(minutes).amount_minor == 0
        return self.offer.shortest <= minutes <= self.offer.longest and not is_free_by_rounding

    def is_sold(self, minutes: int) -> bool:
        """True when the tutor gives lessons of this length, and the table of currencies knows their price as payable."""
        return self.has_length(minutes) and self.price(minutes).is_payable

    @property
    def shortest_sold(self) -> int | None:
        """The minutes of the shortest lesson that the tutor sells; None when no length can be charged for."""
        lengths = range(self.offer.shortest, self.offer.longest + 1)
        if not lengths or self.rate.amount_minor == 0:
            return self.offer.shortest if lengths else None
        # A longer lesson never costs less. So those that cost too little come first.
        first = bisect_left(lengths, True, key=lambda minutes: self.price(minutes).is_enough)
        return lengths[first] if first < len(lengths) and self.is_sold(lengths[first]) else None

    def price(self, minutes: int) -> Money:
        """Rate × minutes / 60, rounded half-even to the currency's step. It may be too little or too much to charge."""
        return self.rate.for_minutes(minutes)

    def is_too_far(self, start: datetime, now: datetime) -> bool:
        """True when a lesson at `start` begins later than the tutor can be booked today."""
        return start > now + timedelta(days=self.offer.days_ahead)

    def is_too_soon(self, start: datetime, now: datetime) -> bool:
        """True when a lesson at `start` has begun, or begins sooner than the tutor's notice allows."""
        return start <= now or start < now + timedelta(minutes=self.notice)

    def tutor_span(self, lesson: Span) -> Span:
        """The time that a lesson occupies on the tutor's calendar: the lesson and the buffer behind it.

        The buffer lies behind the lesson only, so that one buffer lies between two lessons, and not two. A lesson may
        begin where a block ends; the buffer of a lesson must end before a block begins.
        """
        return Span(lesson.start, lesson.end + timedelta(minutes=self.buffer))


@dataclass(frozen=True, slots=True)
class ListedTutor:
    """A tutor whom pages may list, with the soonest free start within reach; None when there is none."""

    schedule: Schedule
    next_free: datetime | None


class HoldState(StrEnum):
    """The state of a saga's hold."""

    HELD = "HELD"
    CONFIRMED = "CONFIRMED"
    RELEASED = "RELEASED"


class ClaimState(StrEnum):
    """The state of a claim on a calendar. Each of them is live: a claim that is over has no row."""

    HELD = "HELD"
    CONFIRMED = "CONFIRMED"
    BLOCKED = "BLOCKED"


@dataclass(frozen=True, slots=True)
class ExpectedPrice:
    """What a lesson must cost. The amount is None, or the currency empty, when nobody says."""

    amount: Decimal | None = None
    currency: str = ""

    def is_met(self, price: Money) -> bool:
        """True when the price is the expected one, as far as it was named."""
        has_amount = self.amount in (None, Decimal(price.decimal))
        return has_amount and self.currency in ("", price.currency)


@dataclass(frozen=True, slots=True)
class Order:
    """The lesson that a saga wants to hold. A repeated order is the same order whatever price it expects."""

    saga_id: UUID
    tutor_id: UUID
    student_id: UUID
    lesson: Span
    expected: ExpectedPrice = field(default=ExpectedPrice(), compare=False)

    @property
    def minutes(self) -> int:
        return int((self.lesson.end - self.lesson.start) / timedelta(minutes=1))


#: One on the tutor's calendar and one on the student's.
CLAIMS_OF_A_HOLD = 2


@dataclass(frozen=True, slots=True)
class Hold:
    """A saga's claim on two calendars. Buffer and price are frozen when the hold is made."""

    order: Order
    buffer: int
    price: Money
    block_id: UUID
    expires_at: datetime
    state: HoldState = HoldState.HELD


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The row of a hold that was released before it arrived. It refuses the late hold."""

    saga_id: UUID


@dataclass(frozen=True, slots=True)
class TimedHold:
    """A hold, the seconds until it ends on the database's clock, and the tutor's name and time zone as they are now."""

    hold: Hold
    seconds_left: float
    tutor_name: str = ""
    tutor_timezone: str = ""


@dataclass(frozen=True, slots=True)
class Conflicts:
    """The claims that overlap wanted time: ids of those that have lapsed, and whether others stand on each side."""

    lapsed: tuple[UUID, ...] = ()
    on_tutor: bool = False
    on_student: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """Time that a tutor took out of the calendar."""

    id: UUID
    span: Span
    reason: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim on one calendar. On a tutor's calendar the span includes the buffer."""

    id: UUID
    calendar_id: UUID
    saga_id: UUID | None
    state: ClaimState
    span: Span
    expires_at: datetime | None
