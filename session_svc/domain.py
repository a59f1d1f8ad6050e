"""Sessions, their statuses and the legal moves between these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from mesh.errors import IllegalMove


class Status(StrEnum):
    """The status of a session. No session exists before its lesson is paid for."""

    CONFIRMED = "CONFIRMED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


MOVES: Mapping[Status, frozenset[Status]] = {
    Status.CONFIRMED: frozenset({Status.COMPLETED, Status.CANCELLED}),
    Status.COMPLETED: frozenset(),
    Status.CANCELLED: frozenset(),
}
#: The moves that a cancel may make besides, if it was decided before the lesson's end. It may arrive later.
EARLY_MOVES: Mapping[Status, frozenset[Status]] = {Status.COMPLETED: frozenset({Status.CANCELLED})}


def sources(to: Status, moves: Mapping[Status, frozenset[Status]] = MOVES) -> list[Status]:
    """The statuses from which a session may move to this one."""
    return [status for status, targets in moves.items() if to in targets]


def check_move(now: Status, to: Status) -> Status:
    """The status after a move from `now` to `to`; a repeat changes nothing. Raises IllegalMove."""
    if to in MOVES[now] or to is now:
        return to
    raise IllegalMove(f"a session cannot go from {now} to {to}")


@dataclass(frozen=True, slots=True)
class Lesson:
    """The part of a session that never changes. `scheduled_at` is aware and UTC."""

    booking_id: UUID
    tutor_id: UUID
    student_id: UUID
    scheduled_at: datetime
    minutes: int


@dataclass(frozen=True, slots=True)
class Session:
    """A session. `room` is the random name of its meeting room, and cannot be guessed."""

    id: UUID
    saga_id: UUID
    status: Status
    lesson: Lesson
    room: str


class Order(StrEnum):
    """The order of a list; the first is the usual one."""

    START_DESC = "START_DESC"
    START_ASC = "START_ASC"


class Role(StrEnum):
    """What a person is in a lesson."""

    STUDENT = "STUDENT"
    TUTOR = "TUTOR"


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list of a person's sessions holds, and in which order. What is None excludes nothing.

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
    """The row of a session that was cancelled before it arrived. It refuses the late session."""

    id: UUID
    saga_id: UUID
    status: Status = Status.CANCELLED


@dataclass(frozen=True, slots=True)
class Completion:
    """The result of completing a session: the session as it is now, and whether its lesson is over."""

    session: Session
    is_over: bool
