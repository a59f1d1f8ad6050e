"""All the SQL of sessions. Every write is a single statement and its own transaction, so it costs one round trip.

A write returns the row that it inserted or changed, else the row that is there. `is_stale` marks a row that the
statement should have changed and did not, because another transaction changed it meanwhile.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from mesh.database import Database, Row
from mesh.errors import IllegalMove, TryAgain
from mesh.row_stamps import DELETED, RowStamps, Stamped, list_statements
from mesh.statements import Statement, text
from session_svc.domain import (
    EARLY_MOVES,
    Completion,
    Lesson,
    Listing,
    Order,
    Role,
    Session,
    Status,
    Tombstone,
    sources,
)

Record = Session | Tombstone
#: The refusal for each rule of the schema that a statement can violate.
VIOLATIONS = {"session_legal_move": IllegalMove}
#: How often a write is run whose result is stale; a race needs two.
ATTEMPTS = 5
ROOM_BYTES = 18

_COLUMNS = "id, saga_id, status, booking_id, tutor_id, student_id, scheduled_at, duration_minutes, room"

# ruff: noqa: S608 - constants only

_CREATE = text(f"""
with made as (
    insert into session (id, saga_id, status, booking_id, tutor_id, student_id, scheduled_at, duration_minutes, room)
    values (:id, :saga_id, 'CONFIRMED', :booking_id, :tutor_id, :student_id, :scheduled_at, :duration_minutes, :room)
    on conflict do nothing
    returning {_COLUMNS}
)
select false as is_stale, {_COLUMNS} from made
union all
select false, {_COLUMNS} from session
where (id = :id or saga_id = :saga_id or booking_id = :booking_id) and not exists (select from made)
""")

# True of a row that a cancel may change. A completed one only if the cancel was decided before the lesson's end.
_MAY_CANCEL = """id = :id and saga_id = :saga_id and (status = any(:sources) or status = any(:early_sources)
    and scheduled_at + make_interval(mins => duration_minutes) > coalesce(cast(:decided_at as timestamptz), 'infinity'))"""

_CANCEL = text(f"""
with moved as (
    update session set status = 'CANCELLED', cancel_decided_at = cast(:decided_at as timestamptz), completed_at = null,
        updated_at = clock_timestamp()
    where {_MAY_CANCEL}
    returning {_COLUMNS}
), tombstone as (
    insert into session (id, saga_id, status, cancel_decided_at)
    select :id, :saga_id, 'CANCELLED', cast(:decided_at as timestamptz) where not exists (select from session where id = :id)
    on conflict do nothing
    returning {_COLUMNS}
)
select false as is_stale, {_COLUMNS} from moved
union all
select false, {_COLUMNS} from tombstone
union all
select {_MAY_CANCEL}, {_COLUMNS} from session
where (id = :id or saga_id = :saga_id) and not exists (select from moved) and not exists (select from tombstone)
""")

_OVER = "scheduled_at + make_interval(mins => duration_minutes) <= clock_timestamp()"
_MAY_COMPLETE = f"status = any(:sources) and {_OVER} and tutor_id = coalesce(cast(:tutor as uuid), tutor_id)"
_COMPLETE = text(f"""
with moved as (
    update session set status = 'COMPLETED', completed_at = clock_timestamp(), updated_at = clock_timestamp()
    where id = :id and {_MAY_COMPLETE}
    returning {_COLUMNS}
)
select false as is_stale, true as is_over, {_COLUMNS} from moved
union all
select {_MAY_COMPLETE}, {_OVER}, {_COLUMNS} from session
where id = :id and tutor_id is not null and not exists (select from moved)
""")

# It uses now(), the start of the statement: unlike clock_timestamp(), it lets the index `session_due` find the few
# sessions that have begun. The statement waits for no lock, so its start is late enough.
_COMPLETE_OVER = text("""
with due as (
    select id from session
    where status = 'CONFIRMED' and scheduled_at <= now()
        and scheduled_at + make_interval(mins => duration_minutes) + :after <= now()
    order by scheduled_at limit :most
    for update skip locked
)
update session set status = 'COMPLETED', completed_at = clock_timestamp(), updated_at = clock_timestamp()
from due where session.id = due.id
returning session.id
""")

_FIND = text(f"select {_COLUMNS} from session where id = :id")
_FIND_MANY = text(f"select {_COLUMNS} from session where id = any(:ids) and tutor_id is not null")

_IN_PERIOD = """scheduled_at >= coalesce(cast(:begin as timestamptz), '-infinity')
    and scheduled_at < coalesce(cast(:end as timestamptz), 'infinity')"""


def _of_person(column: str, *, descending: bool) -> Statement:
    """A page of a person's sessions, ordered by this column. Each role has an index of its own for it."""
    sign, way = ("<", "desc") if descending else (">", "asc")
    at, row = ("infinity", UUID(int=2**128 - 1)) if descending else ("-infinity", UUID(int=0))
    page = f"""({column}, id) {sign} (coalesce(cast(:at as timestamptz), '{at}'), coalesce(cast(:id as uuid), '{row}'))
        and {_IN_PERIOD} and status = coalesce(:status, status)
        order by {column} {way}, id {way} limit :most"""
    return text(f"""
    select * from (
        (select {_COLUMNS} from session where cast(:is_student as boolean) and student_id = :person and {page})
        union all
        (select {_COLUMNS} from session where cast(:is_tutor as boolean) and tutor_id = :person and {page})
    ) page order by {column} {way}, id {way} limit :most
    """)


_OF_PERSON = {
    Order.START_DESC: _of_person("scheduled_at", descending=True),
    Order.START_ASC: _of_person("scheduled_at", descending=False),
}

_ALL = text(f"""
select {_COLUMNS} from session
where id > coalesce(cast(:id as uuid), '00000000-0000-0000-0000-000000000000')
    and tutor_id is not null and status = coalesce(:status, status)
order by id limit :most
""")
_OF = text(f"""
select {_COLUMNS} from session
where (id = any(cast(:ids as uuid[])) or saga_id = any(cast(:ids as uuid[]))) and tutor_id is not null
""")
STAMPED = (Stamped("session", "array[cast(saga_id as text)]"), DELETED)
CHANGED = list_statements(*STAMPED)


class Store:
    """The statements about sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.stamps = RowStamps(database, STAMPED, CHANGED)

    async def create(self, session_id: UUID, saga_id: UUID, lesson: Lesson) -> Record:
        """Insert the session and return it; else the record that has its id, its saga's id or its booking's id."""
        room = secrets.token_urlsafe(ROOM_BYTES)
        values = {"id": session_id, "saga_id": saga_id, "room": room, **_row(lesson)}
        return _record(_assert_found(await self._run_until_fresh(_CREATE, values)))

    async def cancel(self, session_id: UUID, saga_id: UUID, decided_at: datetime | None = None) -> Record:
        """Cancel the session if that is legal, or insert a tombstone when there is none; return the record there is now."""
        values: dict[str, Any] = {"id": session_id, "saga_id": saga_id, "decided_at": decided_at}
        values |= {"sources": sources(Status.CANCELLED), "early_sources": sources(Status.CANCELLED, EARLY_MOVES)}
        return _record(_assert_found(await self._run_until_fresh(_CANCEL, values)))

    async def complete(self, session_id: UUID, tutor: UUID | None) -> Completion | None:
        """Complete the session if its lesson is over, and return it as it is now; None when the id is unknown.

        When a tutor is given, only that tutor's session is completed.
        """
        values = {"id": session_id, "tutor": tutor, "sources": sources(Status.COMPLETED)}
        row = await self._run_until_fresh(_COMPLETE, values, may_lack=True)
        return Completion(_session(row), row.is_over) if row else None

    async def complete_over(self, after: timedelta, most: int) -> int:
        """Complete confirmed sessions whose lesson ended at least `after` ago, at most `most`; return how many."""
        return len(await self._database.rows(_COMPLETE_OVER, {"after": after, "most": most}))

    async def find(self, session_id: UUID) -> Record | None:
        rows = await self._database.rows(_FIND, {"id": session_id})
        return _record(rows[0]) if rows else None

    async def find_many(self, session_ids: Sequence[UUID]) -> list[Session]:
        """The sessions that exist among these ids, in no order."""
        return [_session(row) for row in await self._database.rows(_FIND_MANY, {"ids": session_ids})]

    async def list_of_person(self, listing: Listing, behind: tuple[datetime, UUID] | None, most: int) -> list[Session]:
        """The sessions of a student or tutor behind a cursor, in the order of the listing."""
        at, row = behind or (None, None)
        values = {"person": listing.person, "status": listing.status, "at": at, "id": row, "most": most}
        values |= {"is_student": listing.is_of(Role.STUDENT), "is_tutor": listing.is_of(Role.TUTOR)}
        values |= {"begin": listing.begin, "end": listing.end}
        return [_session(row) for row in await self._database.rows(_OF_PERSON[listing.order], values)]

    async def list_all(self, status: str | None, after: UUID | None, most: int) -> list[Session]:
        """Everybody's sessions behind this id, in id order."""
        rows = await self._database.rows(_ALL, {"status": status, "id": after, "most": most})
        return [_session(row) for row in rows]

    async def list_of(self, ids: Sequence[UUID]) -> list[Session]:
        """Everybody's sessions that have one of these ids or sagas, in no order."""
        rows = await self._database.rows(_OF, {"ids": ids})
        return [_session(row) for row in rows]

    async def _run_until_fresh(
        self, statement: Statement, values: Mapping[str, Any], *, may_lack: bool = False
    ) -> Row | None:
        """Run a write until its result is fresh; None when `may_lack` and there is no row. Raises TryAgain.

        A statement sees only what was committed before it began. If it waits for another transaction, it may change
        nothing and yet see no row, or a stale one. The next run sees what that transaction committed.
        """
        for _ in range(ATTEMPTS):
            rows = await self._database.rows(statement, values)
            if rows and not rows[0].is_stale:
                return rows[0]
            if not rows and may_lack:
                return None
        raise TryAgain


def _assert_found(row: Row | None) -> Row:
    assert row is not None  # these statements insert a row when they find none
    return row


def _row(lesson: Lesson) -> dict[str, Any]:
    return {
        "booking_id": lesson.booking_id,
        "tutor_id": lesson.tutor_id,
        "student_id": lesson.student_id,
        "scheduled_at": lesson.scheduled_at,
        "duration_minutes": lesson.minutes,
    }


def _record(row: Row) -> Record:
    return Tombstone(row.id, row.saga_id) if row.tutor_id is None else _session(row)


def _session(row: Row) -> Session:
    lesson = Lesson(row.booking_id, row.tutor_id, row.student_id, row.scheduled_at, row.duration_minutes)
    return Session(row.id, row.saga_id, Status(row.status), lesson, row.room)
