"""Bookings, their statuses and the legal moves between these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from mesh.errors import IllegalMove
from mesh.money import Money


class Status(StrEnum):
    """The status of a booking."""

    PAYMENT_REQUIRED = "PAYMENT_REQUIRED"
    CONFIRMED = "CONFIRMED"
    CANCELLED = "CANCELLED"
    PAYMENT_FAILED = "PAYMENT_FAILED"
    EXPIRED = "EXPIRED"


ENDS = frozenset({Status.CANCELLED, Status.PAYMENT_FAILED, Status.EXPIRED})
MOVES: Mapping[Status, frozenset[Status]] = {
    Status.PAYMENT_REQUIRED: frozenset({Status.CONFIRMED}) | ENDS,
    Status.CONFIRMED: frozenset({Status.CANCELLED}),
    **dict.fromkeys(ENDS, frozenset()),
}


def sources(to: Status) -> list[Status]:
    """The statuses from which a booking may move to this one."""
    return [status for status, targets in MOVES.items() if to in targets]


def check_move(now: Status, to: Status) -> Status:
    """The status after a move from `now` to `to`. A repeat changes nothing, and the first end stays.

    Raises IllegalMove.
    """
    if to in MOVES[now]:
        return to
    if to is now or (to in ENDS and now in ENDS):
        return now
    raise IllegalMove(f"a booking cannot go from {now} to {to}")


@dataclass(frozen=True, slots=True)
class Details:
    """The part of a booking that never changes. Instants are aware and UTC.

    `payment_id` may be None when the price is 0. Each field is a column of `booking`; only the price is two.
    """

    tutor_id: UUID
    student_id: UUID
    course_id: UUID | None
    start: datetime
    end: datetime
    price: Money
    purpose: str
    hold_expires_at: datetime
    availability_block_id: UUID
    session_id: UUID
    payment_id: UUID | None


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking record. `version` is 1 at first, and grows by 1 with each change."""

    id: UUID
    saga_id: UUID
    status: Status
    details: Details
    version: int
    created_at: datetime

    @property
    def has_ended(self) -> bool:
        return self.status in ENDS

    @property
    def is_held(self) -> bool:
        """True while its time is held for its payment."""
        return self.status is Status.PAYMENT_REQUIRED


class Order(StrEnum):
    """The order of a list; the first is the usual one."""

    CREATED_DESC = "CREATED_DESC"
    START_ASC = "START_ASC"
    START_DESC = "START_DESC"


class Role(StrEnum):
    """What a person is in a lesson."""

    STUDENT = "STUDENT"
    TUTOR = "TUTOR"


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list of a person's bookings holds, and in which order. What is None excludes nothing.

    Lessons start from `begin` on, and before `end`.
    """

    person: UUID
    status: str | None
    role: Role | None
    begin: datetime | None
    end: datetime | None
    order: Order

    def is_of(self, role: Role) -> bool:
        """True when it holds those in which the person has this role."""
        return self.role in (None, role)


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The row of a booking that was ended before it arrived. It refuses the late booking."""

    id: UUID
    saga_id: UUID
    status: Status


@dataclass(frozen=True, slots=True)
class Event:
    """An entry of a booking's timeline."""

    at: datetime
    event: str
    detail: str
