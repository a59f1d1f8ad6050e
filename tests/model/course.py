"""learning_svc in memory: one course with one seat, idempotent under the saga's id, with tombstones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID, uuid5

from mesh import clock
from mesh.errors import Cancelled, IllegalMove, NotFound, Refusal
from payment_svc.domain import NAMESPACE
from tests.model.clockwork import Clockwork
from tests.model.participants import HOLD, PRICE, lost
from tests.model.state import GRACE, Enrolled, State
from tutormesh.learning.v1 import learning_pb2

T = TypeVar("T")
COURSE = uuid5(NAMESPACE, "the course")
INSTRUCTOR = uuid5(NAMESPACE, "the instructor")
ENDS = ("CANCELLED", "PAYMENT_FAILED", "EXPIRED")


def full() -> Refusal:
    """As learning_svc says it; no class of its own, for those are known by their reason to the whole process."""
    return Refusal.from_parts("FAILED_PRECONDITION", "COURSE_FULL", "no seat is left")


class Learning:
    """The course's seat, and who has it."""

    def __init__(self, world: Clockwork) -> None:
        self._world = world

    def _do(self, name: str, effect: Callable[[], T]) -> Awaitable[T]:
        return self._world.call(name, effect, lost)

    def HoldSeat(self, request: Any, timeout: float) -> Awaitable[Any]:
        return self._do("HoldSeat", lambda: self._held(request))

    def _held(self, request: Any) -> Any:
        state, name = self._world.state, request.enrollment_id
        if name not in state.enrollments:
            if request.student_id in (self._seated(other) for other in state.enrollments if not lapsed(state, other)):
                raise Refusal.from_parts("ALREADY_EXISTS", "ALREADY_ENROLLED", "the student has a seat")
            _evict_or_refuse(state)
            expires_at = state.now + HOLD
            state.enrollments[name] = Enrolled(
                request.saga_id, request.student_id, "PAYMENT_REQUIRED", expires_at, True
            )
        row = state.enrollments[name]
        if row.status in ENDS or row.expires_at is None:
            raise Cancelled
        answer = learning_pb2.HoldSeatResponse(
            expires_at=clock.to_proto(row.expires_at),
            seconds_left=(row.expires_at - state.now).total_seconds(),
            instructor_id=str(INSTRUCTOR),
        )
        answer.price.amount_minor, answer.price.currency = state.budget.get("price", PRICE), "USD"
        return answer

    def _seated(self, name: str) -> str:
        row = self._world.state.enrollments[name]
        return row.student if row.has_seat else ""

    def CreateEnrollmentRecord(self, request: Any, timeout: float) -> Awaitable[Any]:
        return self._do("CreateEnrollmentRecord", lambda: self._activated(request))

    def _activated(self, request: Any) -> Any:
        state, name = self._world.state, request.enrollment_id
        row = state.enrollments.get(name)
        if row is None:
            raise NotFound
        if row.status in ENDS:
            raise IllegalMove
        if not row.has_seat:
            _evict_or_refuse(state)
        state.enrollments[name] = row._replace(status="ACTIVE", has_seat=True)
        return learning_pb2.CreateEnrollmentRecordResponse(
            enrollment=learning_pb2.Enrollment(instructor_id=str(INSTRUCTOR))
        )

    def EndEnrollment(self, request: Any, timeout: float) -> Awaitable[Any]:
        return self._do("EndEnrollment", lambda: self._ended(request))

    def _ended(self, request: Any) -> None:
        """The first end wins; what is active is cancelled otherwise."""
        told = learning_pb2.EnrollmentStatus.Name(request.status).removeprefix("ENROLLMENT_STATUS_")
        enrollments, name = self._world.state.enrollments, request.enrollment_id
        row = enrollments.setdefault(name, Enrolled(request.saga_id, "", told, None, False))
        if row.status == "ACTIVE":
            raise IllegalMove
        if row.status == "PAYMENT_REQUIRED":
            enrollments[name] = row._replace(status=told, has_seat=False)

    def CancelEnrollment(self, request: Any, timeout: float) -> Awaitable[Any]:
        return self._do("CancelEnrollment", lambda: self._cancelled(request))

    def _cancelled(self, request: Any) -> None:
        enrollments, name = self._world.state.enrollments, request.enrollment_id
        if name not in enrollments:
            raise NotFound
        if enrollments[name].status not in ("ACTIVE", "CANCELLED"):
            raise IllegalMove
        enrollments[name] = enrollments[name]._replace(status="CANCELLED", has_seat=False)


def lapsed(state: State, name: str) -> bool:
    """True of a seat that gives way: held past its end and grace."""
    row = state.enrollments[name]
    is_held = row.status == "PAYMENT_REQUIRED" and row.has_seat and row.expires_at is not None
    return is_held and row.expires_at + GRACE <= state.now


def give_away(state: State) -> None:
    """Whoever has the seat, which has lapsed, has it no longer."""
    for name, row in list(state.enrollments.items()):
        if row.has_seat:
            state.enrollments[name] = row._replace(has_seat=False)


def _evict_or_refuse(state: State) -> None:
    if any(row.has_seat and not lapsed(state, name) for name, row in state.enrollments.items()):
        raise full()
    give_away(state)


def seat_gives_way(state: State) -> bool:
    """True when somebody else can have the seat now."""
    return all(lapsed(state, name) for name, row in state.enrollments.items() if row.has_seat)


def to_a_rival(state: State, who: UUID) -> None:
    """Somebody else gets the seat, for good."""
    give_away(state)
    state.enrollments[str(who)] = Enrolled("", str(who), "ACTIVE", None, True)
