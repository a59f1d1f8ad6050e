"""Enrollments: read those that the caller may see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from learning_svc.domain import Enrollment, Record, SeatCount
from learning_svc.store import EnrollmentStore
from mesh import calls
from mesh.database import Database
from mesh.errors import Forbidden, NotFound
from mesh.row_stamps import ChangedIds


class Enrollments:
    """Reads enrollments. A person finds neither tombstones nor another person's enrollment."""

    def __init__(self, database: Database) -> None:
        self._store = EnrollmentStore(database)

    async def get(self, enrollment_id: UUID) -> Enrollment:
        """The caller's enrollment. Raises NotFound, also for another person's."""
        found = await self.get_many([enrollment_id])
        if not found:
            raise NotFound
        return found[0]

    async def get_many(self, ids: Sequence[UUID]) -> list[Enrollment]:
        """The enrollments among these ids that the caller may see, in no order."""
        call = calls.current()
        found = await self._store.find(ids)
        return [each for each in found if call.speaks_for(each.student_id, each.instructor_id)]

    async def list_of_student(self, student: UUID, before: tuple[datetime, UUID] | None, most: int) -> list[Enrollment]:
        """A student's enrollments, newest first. Raises Forbidden unless the caller speaks for that student."""
        calls.current().must_speak_for(student)
        return await self._store.list_of_student(student, before, most)

    async def list_all(self, after_id: UUID | None, most: int) -> list[Record]:
        """All enrollments and tombstones, in id order. Raises Forbidden unless ops calls on its own behalf."""
        _must_be_ops()
        return await self._store.list_all(after_id, most)

    async def list_of(self, ids: Sequence[UUID]) -> list[Record]:
        """Those of everybody's that have one of these ids or sagas. Raises Forbidden unless ops calls on its own behalf."""
        _must_be_ops()
        return await self._store.list_of(ids)

    async def list_seat_counts(self, ids: Sequence[UUID], after_id: UUID | None, most: int) -> list[SeatCount]:
        """The published courses among these ids; without ids a page of all, in id order."""
        return await (self._store.count_seats_of(ids) if ids else self._store.count_seats(after_id, most))

    async def list_changed_ids(self, mark: str, token: str, most: int) -> ChangedIds:
        """The ids of courses, and of sagas whose enrollments have changed, since the mark. Raises BadInput."""
        return await self._store.stamps.list_ids(mark, token, most)


def _must_be_ops() -> None:
    call = calls.current()
    if call.person is not None or call.service != "ops":
        raise Forbidden("only ops, on its own behalf, lists everybody's")
