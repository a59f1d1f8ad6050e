"""What this service speaks of: bookings, their states and the moves between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from mesh.errors import IllegalMove
from mesh.money import Money


class Status(StrEnum):
    """Where a booking stands."""

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
    """The states a booking may leave for this one."""
    return [status for status, targets in MOVES.items() if to in targets]


def after(now: Status, told: Status) -> Status:
    """Where a booking stands after it was told to move: a repeat changes nothing, and the first end wins.

    Raises IllegalMove.
    """
    if told in MOVES[now]:
        return told
    if told is now or (told in ENDS and now in ENDS):
        return now
    raise IllegalMove(f"a booking cannot go from {now} to {told}")


@dataclass(frozen=True, slots=True)
class Details:
    """What was asked for; it never changes. Instants are aware and UTC; `payment_id` is None for a free lesson."""

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
    """One lesson asked for. `version` counts its changes from 1."""

    id: UUID
    saga_id: UUID
    status: Status
    details: Details
    version: int
    created_at: datetime

    @property
    def has_ended(self) -> bool:
        return self.status in ENDS


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The end of a booking that had not arrived: it never will."""

    id: UUID
    saga_id: UUID
    status: Status


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a booking's history."""

    at: datetime
    event: str
    detail: str
