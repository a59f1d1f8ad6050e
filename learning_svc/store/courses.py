"""The statements about courses. A course is created under its instructor's lock; any other write is one statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from learning_svc.domain import Course, NewCourse, Raced, TooManyCourses
from learning_svc.store.people import lock_person
from learning_svc.store.rows import BEFORE, COURSE, as_course
from mesh.database import Connection, Database
from mesh.statements import text

#: How often a write is run whose result is stale; a race needs two.
ATTEMPTS = 5

# ruff: noqa: S608 - constants only

_CREATE = text(f"""
with made as (
    insert into course (id, instructor_id, title, price_minor, currency, seats)
    select :id, :instructor_id, :title, :price_minor, :currency, cast(:seats as integer)
    where (select count(*) from course where instructor_id = :instructor_id) < :most
    on conflict (id) do nothing
    returning {COURSE}
)
select {COURSE} from made
union all
select {COURSE} from course where id = :id and not exists (select from made)
""")
_COUNT = text("select count(*) from course where instructor_id = :instructor_id")

_DRAFT = "id = :id and not published and instructor_id = coalesce(cast(:instructor as uuid), instructor_id)"
_PUBLISH = text(f"""
with moved as (
    update course set published = true where {_DRAFT} returning {COURSE}
)
select false as is_stale, {COURSE} from moved
union all
select {_DRAFT}, {COURSE} from course where id = :id and not exists (select from moved)
""")

_FIND = text(f"select {COURSE} from course where id = any(cast(:ids as uuid[]))")
_PUBLISHED = text(f"select {COURSE} from course where published and {BEFORE}")


class CourseStore:
    """The statements about courses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, new: NewCourse, most: int) -> Course:
        """Insert the draft and return it; else the course that has its id. `most`: the most courses of an instructor.

        Raises TooManyCourses.
        """
        for _ in range(ATTEMPTS):  # a statement that waited for another insert does not see its row yet
            if course := await self._database.transaction(lambda connection: _create(connection, new, most)):
                return course
        raise Raced

    async def publish(self, course_id: UUID, instructor: UUID | None) -> Course | None:
        """Publish the course and return it as it is now; None when the id is unknown.

        When an instructor is given, only that instructor's course is published.
        """
        for _ in range(ATTEMPTS):  # a statement that waited for another update still sees the draft
            rows = await self._database.rows(_PUBLISH, {"id": course_id, "instructor": instructor})
            if not rows or not rows[0].is_stale:
                return as_course(rows[0]) if rows else None
        raise Raced

    async def find(self, ids: Sequence[UUID]) -> list[Course]:
        """The courses that exist among these ids, in no order."""
        return [as_course(row) for row in await self._database.rows(_FIND, {"ids": list(ids)})]

    async def list_published(self, before: tuple[datetime, UUID] | None, most: int) -> list[Course]:
        """The published courses behind a cursor, newest first."""
        at, row = before or (None, None)
        rows = await self._database.rows(_PUBLISHED, {"at": at, "id": row, "most": most})
        return [as_course(row) for row in rows]


async def _create(connection: Connection, new: NewCourse, most: int) -> Course | None:
    """Insert the draft, or find the course that has its id, under the instructor's lock; None when it raced another."""
    await lock_person(connection, new.instructor_id)
    row = (await connection.execute(_CREATE, _values(new) | {"most": most})).first()
    if row is None and (await connection.execute(_COUNT, _values(new))).scalar_one() >= most:
        raise TooManyCourses
    return as_course(row) if row else None


def _values(new: NewCourse) -> dict[str, Any]:
    return {
        "id": new.id,
        "instructor_id": new.instructor_id,
        "title": new.title,
        "price_minor": new.price.amount_minor,
        "currency": new.price.currency,
        "seats": new.seats,
    }
