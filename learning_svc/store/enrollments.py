"""The statements that read enrollments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from learning_svc.domain import Enrollment, Record, SeatCount
from learning_svc.store.rows import BEFORE, ENROLLMENT, as_enrollment, as_record
from mesh.database import Database
from mesh.row_stamps import DELETED, RowStamps, Stamped, list_statements
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


_OF = text(f"""
select {ENROLLMENT} from enrollment where id = any(cast(:ids as uuid[])) or saga_id = any(cast(:ids as uuid[]))
""")
# A seat belongs to an enrollment that is active or awaits its payment. Both are counted in one statement, at one time.
_COUNTS = """
select id, seats, seats_taken, counted.* from course, lateral (
    select count(*) filter (where status = 'ACTIVE') as active,
        count(*) filter (where status = 'PAYMENT_REQUIRED') as held
    from enrollment where course_id = course.id and holds_seat
) counted where published and {which} order by id limit :most
"""
_COUNTS_OF = text(_COUNTS.format(which="id = any(cast(:ids as uuid[]))"))
_COUNTS_BEHIND = text(_COUNTS.format(which="id > coalesce(cast(:id as uuid), '00000000-0000-0000-0000-000000000000')"))
STAMPED = (
    Stamped("course", "array[cast(id as text)]"),
    Stamped("enrollment", "array[cast(saga_id as text), cast(course_id as text)]"),
    DELETED,
)
CHANGED = list_statements(*STAMPED)


class EnrollmentStore:
    """Reads enrollments."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.stamps = RowStamps(database, STAMPED, CHANGED)

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

    async def list_of(self, ids: Sequence[UUID]) -> list[Record]:
        """Everybody's enrollments and tombstones that have one of these ids or sagas, in no order."""
        return [as_record(row) for row in await self._database.rows(_OF, {"ids": list(ids)})]

    async def count_seats(self, after: UUID | None, most: int) -> list[SeatCount]:
        """The published courses behind this id with their seats, in id order."""
        rows = await self._database.rows(_COUNTS_BEHIND, {"id": after, "most": most})
        return [SeatCount(*row) for row in rows]

    async def count_seats_of(self, ids: Sequence[UUID]) -> list[SeatCount]:
        """The published courses among these ids with their seats."""
        rows = await self._database.rows(_COUNTS_OF, {"ids": list(ids), "most": len(ids)})
        return [SeatCount(*row) for row in rows]
