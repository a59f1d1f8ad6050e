"""The statements that read enrollments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from learning_svc.domain import Enrollment, Record
from learning_svc.store.rows import BEFORE, ENROLLMENT, as_enrollment, as_record
from mesh.database import Database
from mesh.statements import text

# ruff: noqa: S608 - constants only

_FIND = text(f"""
select {ENROLLMENT} from enrollment where id = any(cast(:ids as uuid[])) and course_id is not null
""")
_OF_STUDENT = text(f"select {ENROLLMENT} from enrollment where student_id = :student and {BEFORE}")
_ALL = text(f"""
select {ENROLLMENT} from enrollment
where id > coalesce(cast(:id as uuid), '00000000-0000-0000-0000-000000000000')
order by id limit :most
""")


class EnrollmentStore:
    """Reads enrollments."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, ids: Sequence[UUID]) -> list[Enrollment]:
        """The enrollments that exist among these ids, in no order."""
        return [as_enrollment(row) for row in await self._database.rows(_FIND, {"ids": list(ids)})]

    async def list_of_student(self, student: UUID, before: tuple[datetime, UUID] | None, most: int) -> list[Enrollment]:
        """A student's enrollments behind a cursor, newest first."""
        at, row = before or (None, None)
        values = {"student": student, "at": at, "id": row, "most": most}
        return [as_enrollment(row) for row in await self._database.rows(_OF_STUDENT, values)]

    async def list_all(self, after: UUID | None, most: int) -> list[Record]:
        """Everybody's enrollments and tombstones behind this id, in id order."""
        return [as_record(row) for row in await self._database.rows(_ALL, {"id": after, "most": most})]
