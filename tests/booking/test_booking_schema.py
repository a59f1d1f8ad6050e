"""The schema of bookings: the rows that PostgreSQL refuses, and the statements of a write."""

from __future__ import annotations

import itertools
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from booking_svc.domain import ENDS, MOVES, Status
from mesh.database import Database
from tests.statements import sent_by
from tutormesh.booking.v1 import booking_pb2 as pb

CANCELLED, EXPIRED = pb.BOOKING_STATUS_CANCELLED, pb.BOOKING_STATUS_EXPIRED


@pytest.mark.parametrize(("now", "to"), [*itertools.product(Status, repeat=2)])
async def test_the_schema_allows_exactly_the_legal_moves(
    mesh: Any, booking_request: Any, sql: Any, now: Status, to: Status
) -> None:
    request = booking_request()
    await mesh.create(request)
    if now is Status.CONFIRMED:
        await mesh.confirm(request)
    elif now in ENDS:
        await mesh.end(request, pb.BookingStatus.Value(f"BOOKING_STATUS_{now}"))
    move = "update booking set status = $2, version = version + 1 where id = $1"
    if to in MOVES[now]:
        assert await sql.execute(move, request.booking_id, to) == "UPDATE 1"
        return
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await sql.execute(move, request.booking_id, to)
    assert refused.value.constraint_name == "booking_legal_move"


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("end_at = null", "booking_whole_or_tombstone"),
        ("tutor_id = student_id", "booking_two_people"),
        ("end_at = start_at", "booking_lesson_has_length"),
        ("price_minor = -1", "booking_price_not_negative"),
        ("payment_id = null", "booking_price_is_paid"),
        ("currency = 'usd'", "booking_currency_is_iso"),
        ("end_reason = 'x'", "booking_reason_only_at_the_end"),
        ("version = version", "booking_legal_move"),
    ],
)
async def test_the_schema_refuses_a_broken_booking(
    mesh: Any, booking_request: Any, sql: Any, change: str, constraint: str
) -> None:
    request = booking_request()
    await mesh.create(request)
    versioned = "" if change.startswith("version") else ", version = version + 1"
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await sql.execute(
            f"update booking set status = 'CONFIRMED', {change}{versioned} where id = $1", request.booking_id
        )
    assert refused.value.constraint_name == constraint


async def test_a_booking_cannot_be_confirmed_without_details(sql: Any) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await sql.execute("insert into booking (id, saga_id, status) values ($1, $2, 'CONFIRMED')", uuid4(), uuid4())
    assert refused.value.constraint_name == "booking_whole_or_tombstone"


COUNTED = """
create table write_transaction (id xid8 primary key);
create function count_write() returns trigger language plpgsql as $$
begin
    insert into write_transaction values (pg_current_xact_id()) on conflict do nothing;
    return null;
end $$;
create trigger count_write after insert or update or delete on booking for each row execute function count_write();
create trigger count_write after insert or update or delete on booking_event
    for each row execute function count_write();
"""
UNCOUNTED = """
drop trigger count_write on booking;
drop trigger count_write on booking_event;
drop function count_write();
drop table write_transaction;
"""


async def test_each_write_is_one_statement_and_one_write_transaction_and_a_repeat_writes_nothing(
    mesh: Any, booking_request: Any, database: Database, sql: Any
) -> None:
    request, never_made = booking_request(), booking_request()
    await sql.execute(COUNTED)
    try:
        for act in (
            lambda: mesh.create(request),
            lambda: mesh.confirm(request),
            lambda: mesh.end(request, CANCELLED),
            lambda: mesh.end(never_made, EXPIRED),
        ):
            for written in (1, 0):
                await sql.execute("delete from write_transaction")
                with sent_by(database) as sent:
                    await act()
                assert len(sent.statements) == 1
                assert await sql.fetchval("select count(*) from write_transaction") == written
    finally:
        await sql.execute(UNCOUNTED)
