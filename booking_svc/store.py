"""All the SQL of bookings. Every write is a single statement and its own transaction, so it costs one round trip.

A write returns the row that it inserted or changed, else the row that is there. `is_stale` marks a row that the
statement should have changed and did not, because another transaction changed it meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any
from uuid import UUID

from booking_svc.domain import Booking, Details, Event, Listing, Order, Role, Status, Tombstone, sources
from mesh.database import Database, Row
from mesh.errors import IllegalMove, TryAgain
from mesh.money import Money
from mesh.row_stamps import DELETED, RowStamps, Stamped, list_statements
from mesh.statements import Statement, text

Record = Booking | Tombstone
#: The refusal for each rule of the schema that a statement can violate.
VIOLATIONS = {"booking_legal_move": IllegalMove}
TIMELINE = 100
#: How often a write is run whose result is stale; a race needs two.
ATTEMPTS = 5

#: Each field of Details and its column. The price is not among them, because it has two columns.
_COLUMN_OF = {field.name: field.name for field in fields(Details) if field.name != "price"}
_COLUMN_OF |= {"start": "start_at", "end": "end_at"}
_DETAIL_COLUMNS = [*_COLUMN_OF.values(), "price_minor", "currency"]

_COLUMNS = ", ".join(("id", "saga_id", "status", "version", *_DETAIL_COLUMNS, "created_at"))
_QUALIFIED = ", ".join(f"booking.{name}" for name in _COLUMNS.split(", "))

# ruff: noqa: S608 - constants only

_CREATE = text(f"""
with made as (
    insert into booking (id, saga_id, status, {", ".join(_DETAIL_COLUMNS)})
    values (:id, :saga_id, 'PAYMENT_REQUIRED', {", ".join(f":{name}" for name in _DETAIL_COLUMNS)})
    on conflict do nothing
    returning {_COLUMNS}
), recorded as (
    insert into booking_event (booking_id, version, event) select id, version, 'created' from made
)
select false as is_stale, {_COLUMNS} from made
union all
select false, {_COLUMNS} from booking where (id = :id or saga_id = :saga_id) and not exists (select from made)
""")

# Changes the status, if that is legal, and notifies the watchers.
_MOVED = f"""
with moved as (
    update booking
    set status = :status, version = version + 1, updated_at = clock_timestamp(), end_reason = :reason
    where id = :id and saga_id = :saga_id and status = any(:sources)
    returning {_COLUMNS}
), recorded as (
    insert into booking_event (booking_id, version, event, detail)
    select id, version, lower(status), :reason from moved
    returning pg_notify('booking_changed', cast(booking_id as text))
)"""

# True of a row that _MOVED should have changed and did not.
_STALE = "id = :id and saga_id = :saga_id and status = any(:sources)"

_CONFIRM = text(f"""{_MOVED}
select false as is_stale, {_COLUMNS} from moved
union all
select {_STALE}, {_COLUMNS} from booking where id = :id and not exists (select from moved)
""")

# Inserts a tombstone where there is no booking. A tombstone has no timeline and no watchers.
_END = text(f"""{_MOVED}, tombstone as (
    insert into booking (id, saga_id, status, end_reason)
    select :id, :saga_id, :status, :reason where not exists (select from booking where id = :id)
    on conflict do nothing
    returning {_COLUMNS}
)
select false as is_stale, {_COLUMNS} from moved
union all
select false, {_COLUMNS} from tombstone
union all
select {_STALE}, {_COLUMNS} from booking
where (id = :id or saga_id = :saga_id) and not exists (select from moved) and not exists (select from tombstone)
""")

_FIND = text(f"select {_COLUMNS} from booking where id = :id")
_FIND_MANY = text(f"select {_COLUMNS} from booking where id = any(:ids) and tutor_id is not null")

_TIMELINES = text(f"""
select {_QUALIFIED}, entry.at, entry.event, entry.detail
from booking left join lateral (
    select version, at, event, detail from booking_event
    where booking_id = booking.id order by version limit {TIMELINE}
) entry on true
where booking.id = any(:ids) order by booking.id, entry.version
""")

_IN_PERIOD = """start_at >= coalesce(cast(:begin as timestamptz), '-infinity')
    and start_at < coalesce(cast(:end as timestamptz), 'infinity')"""


def _of_person(column: str, *, descending: bool) -> Statement:
    """A page of a person's bookings, ordered by this column. Each role has an index of its own for it."""
    sign, way = ("<", "desc") if descending else (">", "asc")
    at, row = ("infinity", UUID(int=2**128 - 1)) if descending else ("-infinity", UUID(int=0))
    page = f"""({column}, id) {sign} (coalesce(cast(:at as timestamptz), '{at}'), coalesce(cast(:id as uuid), '{row}'))
        and {_IN_PERIOD} and status = coalesce(:status, status)
        order by {column} {way}, id {way} limit :most"""
    return text(f"""
    select * from (
        (select {_COLUMNS} from booking where cast(:is_student as boolean) and student_id = :person and {page})
        union all
        (select {_COLUMNS} from booking where cast(:is_tutor as boolean) and tutor_id = :person and {page})
    ) page order by {column} {way}, id {way} limit :most
    """)


_OF_PERSON = {
    Order.CREATED_DESC: _of_person("created_at", descending=True),
    Order.START_ASC: _of_person("start_at", descending=False),
    Order.START_DESC: _of_person("start_at", descending=True),
}

_ALL = text(f"""
select {_COLUMNS} from booking
where id > coalesce(cast(:id as uuid), '00000000-0000-0000-0000-000000000000')
    and tutor_id is not null and status = coalesce(:status, status)
order by id limit :most
""")
_OF = text(f"""
select {_COLUMNS} from booking
where (id = any(cast(:ids as uuid[])) or saga_id = any(cast(:ids as uuid[]))) and tutor_id is not null
""")
STAMPED = (Stamped("booking", "array[cast(saga_id as text)]"), DELETED)
CHANGED = list_statements(*STAMPED)


class Store:
    """The statements about booking records."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.stamps = RowStamps(database, STAMPED, CHANGED)

    async def create(self, booking_id: UUID, saga_id: UUID, details: Details) -> Record:
        """Insert the booking and return it; else the record that has its id, else the one that has its saga's id."""
        values = {"id": booking_id, "saga_id": saga_id, **_row(details)}
        return _assert_found(await self._run_until_fresh(_CREATE, values))

    async def confirm(self, booking_id: UUID, saga_id: UUID) -> Record | None:
        """Confirm the booking if that is legal, and return it as it is now; None when the id is unknown."""
        values = {"id": booking_id, "saga_id": saga_id, "status": Status.CONFIRMED, "reason": ""}
        return await self._run_until_fresh(_CONFIRM, values | {"sources": sources(Status.CONFIRMED)}, may_lack=True)

    async def end(self, booking_id: UUID, saga_id: UUID, status: Status, reason: str) -> Record:
        """End the booking if that is legal, or insert a tombstone when there is none; return the record there is now."""
        values = {"id": booking_id, "saga_id": saga_id, "status": status, "reason": reason}
        return _assert_found(await self._run_until_fresh(_END, values | {"sources": sources(status)}))

    async def find(self, booking_id: UUID) -> Record | None:
        rows = await self._database.rows(_FIND, {"id": booking_id})
        return _record(rows[0]) if rows else None

    async def find_many(self, booking_ids: Sequence[UUID]) -> list[Booking]:
        """The bookings that exist among these ids, in no order."""
        return _bookings(await self._database.rows(_FIND_MANY, {"ids": booking_ids}))

    async def find_timelines(self, booking_ids: Sequence[UUID]) -> list[tuple[Record, list[Event]]]:
        """The records that exist among these ids, in no order, each with its first 100 events, oldest first."""
        rows = await self._database.rows(_TIMELINES, {"ids": booking_ids})
        found = [list(of_one) for _, of_one in groupby(rows, key=attrgetter("id"))]
        return [(_record(of_one[0]), [_event(row) for row in of_one if row.event is not None]) for of_one in found]

    async def list_of_person(self, listing: Listing, behind: tuple[datetime, UUID] | None, most: int) -> list[Booking]:
        """The bookings of a student or tutor behind a cursor, in the order of the listing."""
        at, row = behind or (None, None)
        values = {"person": listing.person, "status": listing.status, "at": at, "id": row, "most": most}
        values |= {"is_student": listing.is_of(Role.STUDENT), "is_tutor": listing.is_of(Role.TUTOR)}
        values |= {"begin": listing.begin, "end": listing.end}
        return _bookings(await self._database.rows(_OF_PERSON[listing.order], values))

    async def list_all(self, status: str | None, after: UUID | None, most: int) -> list[Booking]:
        """Everybody's bookings behind this id, in id order."""
        return _bookings(await self._database.rows(_ALL, {"status": status, "id": after, "most": most}))

    async def list_of(self, ids: Sequence[UUID]) -> list[Booking]:
        """Everybody's bookings that have one of these ids or sagas, in no order."""
        rows = await self._database.rows(_OF, {"ids": ids})
        return [_booking(row) for row in rows]

    async def _run_until_fresh(
        self, statement: Statement, values: Mapping[str, Any], *, may_lack: bool = False
    ) -> Record | None:
        """Run a write until its result is fresh; None when `may_lack` and there is no row. Raises TryAgain.

        A statement sees only what was committed before it began. If it waits for another transaction, it may change
        nothing and yet see no row, or a stale one. The next run sees what that transaction committed.
        """
        for _ in range(ATTEMPTS):
            rows = await self._database.rows(statement, values)
            if rows and not rows[0].is_stale:
                return _record(rows[0])
            if not rows and may_lack:
                return None
        raise TryAgain


def _assert_found(record: Record | None) -> Record:
    assert record is not None  # these statements insert a row when they find none
    return record


def _row(details: Details) -> dict[str, Any]:
    plain = {column: getattr(details, field) for field, column in _COLUMN_OF.items()}
    return plain | {"price_minor": details.price.amount_minor, "currency": details.price.currency}


def _event(row: Row) -> Event:
    return Event(row.at, row.event, row.detail)


def _bookings(rows: Sequence[Row]) -> list[Booking]:
    return [_booking(row) for row in rows]


def _record(row: Row) -> Record:
    return Tombstone(row.id, row.saga_id, Status(row.status)) if row.tutor_id is None else _booking(row)


def _booking(row: Row) -> Booking:
    plain = {field: getattr(row, column) for field, column in _COLUMN_OF.items()}
    details = Details(price=Money(row.price_minor, row.currency), **plain)
    return Booking(row.id, row.saga_id, Status(row.status), details, row.version, row.created_at)
