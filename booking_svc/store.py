"""All the SQL of bookings. Every write is a single statement, which is its own transaction: one round trip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Row, TextClause, text

from booking_svc import tables
from booking_svc.domain import Booking, Details, Event, Status, Tombstone, sources
from mesh.database import Database
from mesh.errors import IllegalMove, TryAgain
from mesh.money import Money

Record = Booking | Tombstone
#: What the schema refuses, by the name of the rule.
VIOLATIONS = {"booking_legal_move": IllegalMove}
TIMELINE = 100
#: How often a statement is run that found nothing it may trust; twice is what a race needs.
LOOKS = 5

_UNREAD = ("end_reason", "updated_at")
_COLUMNS = ", ".join(column.name for column in tables.booking.c if column.name not in _UNREAD)
_QUALIFIED = ", ".join(f"booking.{name}" for name in _COLUMNS.split(", "))

# ruff: noqa: S608 - the only thing ever put into these texts is the list of columns

_CREATE = text(f"""
with made as (
    insert into booking (id, saga_id, status, tutor_id, student_id, course_id, start_at, end_at, price_minor, currency,
        purpose, hold_expires_at, availability_block_id, session_id, payment_id)
    values (:id, :saga_id, 'PAYMENT_REQUIRED', :tutor_id, :student_id, :course_id, :start_at, :end_at, :price_minor,
        :currency, :purpose, :hold_expires_at, :availability_block_id, :session_id, :payment_id)
    on conflict do nothing
    returning {_COLUMNS}
), told as (
    insert into booking_event (booking_id, version, event) select id, version, 'created' from made
)
select false as is_stale, {_COLUMNS} from made
union all
select false, {_COLUMNS} from booking where (id = :id or saga_id = :saga_id) and not exists (select from made)
""")

_MOVED = f"""
with moved as (
    update booking
    set status = :status, version = version + 1, updated_at = clock_timestamp(), end_reason = :reason
    where id = :id and saga_id = :saga_id and status = any(:sources)
    returning {_COLUMNS}
), told as (
    insert into booking_event (booking_id, version, event, detail)
    select id, version, lower(status), :reason from moved
    returning pg_notify('booking_changed', cast(booking_id as text))
)"""

# A row that should have been moved and was not: it has changed meanwhile.
_STALE = "id = :id and saga_id = :saga_id and status = any(:sources)"

_CONFIRM = text(f"""{_MOVED}
select false as is_stale, {_COLUMNS} from moved
union all
select {_STALE}, {_COLUMNS} from booking where id = :id and not exists (select from moved)
""")

# Nobody can watch a tombstone, and it has no timeline.
_END = text(f"""{_MOVED}, buried as (
    insert into booking (id, saga_id, status, end_reason)
    select :id, :saga_id, :status, :reason where not exists (select from booking where id = :id)
    on conflict do nothing
    returning {_COLUMNS}
)
select false as is_stale, {_COLUMNS} from moved
union all
select false, {_COLUMNS} from buried
union all
select {_STALE}, {_COLUMNS} from booking
where (id = :id or saga_id = :saga_id) and not exists (select from moved) and not exists (select from buried)
""")

_FIND = text(f"select {_COLUMNS} from booking where id = :id")
_FIND_THESE = text(f"select {_COLUMNS} from booking where id = any(:ids) and tutor_id is not null")

_TIMELINES = text(f"""
select {_QUALIFIED}, told.at, told.event, told.detail
from booking left join lateral (
    select version, at, event, detail from booking_event
    where booking_id = booking.id order by version limit {TIMELINE}
) told on true
where booking.id = any(:ids) order by booking.id, told.version
""")

_BEFORE = """(created_at, id) < (
        coalesce(cast(:at as timestamptz), 'infinity'),
        coalesce(cast(:id as uuid), 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    and status = coalesce(:status, status)
    order by created_at desc, id desc limit :most"""

_OF_PERSON = text(f"""
select * from (
    (select {_COLUMNS} from booking where student_id = :person and {_BEFORE})
    union all
    (select {_COLUMNS} from booking where tutor_id = :person and {_BEFORE})
) page order by created_at desc, id desc limit :most
""")

_ALL = text(f"""
select {_COLUMNS} from booking
where id > coalesce(cast(:id as uuid), '00000000-0000-0000-0000-000000000000')
    and tutor_id is not null and status = coalesce(:status, status)
order by id limit :most
""")


class Store:
    """Booking records in their database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, booking_id: UUID, saga_id: UUID, details: Details) -> Record:
        """The booking made, or what was there before under its id (first) or its saga's."""
        values = {"id": booking_id, "saga_id": saga_id, **_row(details)}
        return _present(await self._settled(_CREATE, values))

    async def confirm(self, booking_id: UUID, saga_id: UUID) -> Record | None:
        """The booking confirmed if that was legal, else as it is; None when there is nothing under this id."""
        values = {"id": booking_id, "saga_id": saga_id, "status": Status.CONFIRMED, "reason": ""}
        return await self._settled(_CONFIRM, values | {"sources": sources(Status.CONFIRMED)}, may_lack=True)

    async def end(self, booking_id: UUID, saga_id: UUID, status: Status, reason: str) -> Record:
        """The booking ended if that was legal, or a tombstone in its place, else what is there."""
        values = {"id": booking_id, "saga_id": saga_id, "status": status, "reason": reason}
        return _present(await self._settled(_END, values | {"sources": sources(status)}))

    async def find(self, booking_id: UUID) -> Record | None:
        rows = await self._database.rows(_FIND, {"id": booking_id})
        return _record(rows[0]) if rows else None

    async def find_these(self, booking_ids: Sequence[UUID]) -> list[Booking]:
        """Those of the bookings that there are, in no order."""
        return _bookings(await self._database.rows(_FIND_THESE, {"ids": booking_ids}))

    async def timelines(self, booking_ids: Sequence[UUID]) -> list[tuple[Record, list[Event]]]:
        """Those of the bookings that there are, in no order, each with its first events, oldest first."""
        rows = await self._database.rows(_TIMELINES, {"ids": booking_ids})
        found = [list(of_one) for _, of_one in groupby(rows, key=attrgetter("id"))]
        return [(_record(of_one[0]), [_event(row) for row in of_one if row.event is not None]) for of_one in found]

    async def of_person(
        self, person: UUID, status: str | None, before: tuple[datetime, UUID] | None, most: int
    ) -> list[Booking]:
        """Bookings of a student or tutor behind a place in the list, newest first."""
        at, row = before or (None, None)
        values = {"person": person, "status": status, "at": at, "id": row, "most": most}
        return _bookings(await self._database.rows(_OF_PERSON, values))

    async def all(self, status: str | None, after: UUID | None, most: int) -> list[Booking]:
        """Everybody's bookings behind an id, in id order."""
        return _bookings(await self._database.rows(_ALL, {"status": status, "id": after, "most": most}))

    async def _settled(
        self, statement: TextClause, values: Mapping[str, Any], *, may_lack: bool = False
    ) -> Record | None:
        """What a write found or made.

        A statement sees only what was committed when it began. When it waited for another transaction, it may have
        changed nothing and yet see no row, or one that still looks movable: then it is run again, and sees.
        """
        for _ in range(LOOKS):
            rows = await self._database.rows(statement, values)
            if rows and not rows[0].is_stale:
                return _record(rows[0])
            if not rows and may_lack:
                return None
        raise TryAgain


def _present(record: Record | None) -> Record:
    assert record is not None  # these statements make what they do not find
    return record


def _row(details: Details) -> dict[str, Any]:
    return {
        "tutor_id": details.tutor_id,
        "student_id": details.student_id,
        "course_id": details.course_id,
        "start_at": details.start,
        "end_at": details.end,
        "price_minor": details.price.amount_minor,
        "currency": details.price.currency,
        "purpose": details.purpose,
        "hold_expires_at": details.hold_expires_at,
        "availability_block_id": details.availability_block_id,
        "session_id": details.session_id,
        "payment_id": details.payment_id,
    }


def _event(row: Row[Any]) -> Event:
    return Event(row.at, row.event, row.detail)


def _bookings(rows: Sequence[Row[Any]]) -> list[Booking]:
    return [_booking(row) for row in rows]


def _record(row: Row[Any]) -> Record:
    return Tombstone(row.id, row.saga_id, Status(row.status)) if row.tutor_id is None else _booking(row)


def _booking(row: Row[Any]) -> Booking:
    details = Details(
        tutor_id=row.tutor_id,
        student_id=row.student_id,
        course_id=row.course_id,
        start=row.start_at,
        end=row.end_at,
        price=Money(row.price_minor, row.currency),
        purpose=row.purpose,
        hold_expires_at=row.hold_expires_at,
        availability_block_id=row.availability_block_id,
        session_id=row.session_id,
        payment_id=row.payment_id,
    )
    return Booking(row.id, row.saga_id, Status(row.status), details, row.version, row.created_at)
