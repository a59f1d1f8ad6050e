"""Who may read which enrollment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from learning_svc.domain import Enrollment, Record
from learning_svc.store import EnrollmentStore
from mesh import calls
from mesh.database import Database
from mesh.errors import Forbidden, NotFound


class Enrollments:
    """Reading enrollments. A tombstone, and another person's enrollment, is nothing."""

    def __init__(self, database: Database) -> None:
        self._store = EnrollmentStore(database)

    async def get(self, enrollment_id: UUID) -> Enrollment:
        """An enrollment of the caller's. Raises NotFound, also for another person's."""
        found = await self.several([enrollment_id])
        if not found:
            raise NotFound
        return found[0]

    async def several(self, ids: Sequence[UUID]) -> list[Enrollment]:
        """Those of the enrollments that the caller may see, in no order."""
        call = calls.current()
        found = await self._store.find(ids)
        return [each for each in found if call.speaks_for(each.student_id, each.instructor_id)]

    async def of_student(self, student: UUID, before: tuple[datetime, UUID] | None, most: int) -> list[Enrollment]:
        """Enrollments of a student, newest first. Raises Forbidden unless the caller speaks for them."""
        calls.current().must_speak_for(student)
        return await self._store.of_student(student, before, most)

    async def everybodys(self, after_id: UUID | None, most: int) -> list[Record]:
        """All enrollments, and tombstones, in id order. Raises Forbidden unless ops asks on its own behalf."""
        call = calls.current()
        if call.person is not None or call.service != "ops":
            raise Forbidden("only ops, on its own behalf, lists everybody's")
        return await self._store.all(after_id, most)
