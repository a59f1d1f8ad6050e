"""What this service speaks of: sessions, their states and the moves between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from mesh.errors import IllegalMove


class Status(StrEnum):
    """Where a lesson stands. There is none before it is paid."""

    CONFIRMED = "CONFIRMED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


MOVES: Mapping[Status, frozenset[Status]] = {
    Status.CONFIRMED: frozenset({Status.COMPLETED, Status.CANCELLED}),
    Status.COMPLETED: frozenset(),
    Status.CANCELLED: frozenset(),
}
#: What a decision that was made before the lesson's end may do besides, however late it arrives.
EARLY_MOVES: Mapping[Status, frozenset[Status]] = {Status.COMPLETED: frozenset({Status.CANCELLED})}


def sources(to: Status, moves: Mapping[Status, frozenset[Status]] = MOVES) -> list[Status]:
    """The states a session may leave for this one."""
    return [status for status, targets in moves.items() if to in targets]


def after(now: Status, told: Status) -> Status:
    """Where a session stands after it was told to move; a repeat changes nothing. Raises IllegalMove."""
    if told in MOVES[now] or told is now:
        return told
    raise IllegalMove(f"a session cannot go from {now} to {told}")


@dataclass(frozen=True, slots=True)
class Lesson:
    """What was paid for; it never changes. `scheduled_at` is aware and UTC."""

    booking_id: UUID
    tutor_id: UUID
    student_id: UUID
    scheduled_at: datetime
    minutes: int


@dataclass(frozen=True, slots=True)
class Session:
    """One lesson. `room` names its meeting place and cannot be guessed."""

    id: UUID
    saga_id: UUID
    status: Status
    lesson: Lesson
    room: str


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The cancellation of a session that had not arrived: it never will."""

    id: UUID
    saga_id: UUID
    status: Status = Status.CANCELLED


@dataclass(frozen=True, slots=True)
class Completion:
    """What became of the wish to complete a session: the session as it is now, and whether its lesson is over."""

    session: Session
    is_over: bool
