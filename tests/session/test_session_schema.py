"""The schema of sessions: the rows that PostgreSQL refuses, and the statements of a write."""

from __future__ import annotations

import itertools
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from mesh.database import Database
from session_svc.domain import MOVES, Status
from tests.statements import sent_by

MOVE = (
    "update session set status = $2::text, completed_at = case $2 when 'COMPLETED' then clock_timestamp() end"
    " where id = $1"
)


@pytest.mark.parametrize(("now", "to"), [*itertools.product(Status, repeat=2)])
async def test_the_schema_allows_exactly_the_legal_moves(
    mesh: Any, session_request: Any, sql: Any, now: Status, to: Status
) -> None:
    request = session_request(hours=-2)
    await mesh.create(request)
    if now is not Status.CONFIRMED:
        await (mesh.complete if now is Status.COMPLETED else mesh.cancel)(request)
    if to in MOVES[now]:
        assert await sql.execute(MOVE, request.session_id, to) == "UPDATE 1"
        return
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await sql.execute(MOVE, request.session_id, to)
    assert refused.value.constraint_name == "session_legal_move"


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("room = null", "session_whole_or_tombstone"),
        ("tutor_id = student_id", "session_two_people"),
        ("duration_minutes = 0", "session_duration_in_range"),
        ("room = 'guess me'", "session_room_unguessable"),
        ("completed_at = clock_timestamp()", "session_completed_has_a_time"),
    ],
)
async def test_the_schema_refuses_a_broken_session(
    mesh: Any, session_request: Any, sql: Any, change: str, constraint: str
) -> None:
    request = session_request(hours=-2)
    await mesh.create(request)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await sql.execute(f"update session set status = 'CANCELLED', {change} where id = $1", request.session_id)
    assert refused.value.constraint_name == constraint


async def test_the_schema_completes_nothing_before_its_end(mesh: Any, session_request: Any, sql: Any) -> None:
    request = session_request(hours=-0.9)
    await mesh.create(request)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await sql.execute(MOVE, request.session_id, "COMPLETED")
    assert refused.value.constraint_name == "session_completed_when_over"


async def test_a_session_cannot_be_confirmed_without_a_lesson(sql: Any) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await sql.execute("insert into session (id, saga_id, status) values ($1, $2, 'CONFIRMED')", uuid4(), uuid4())
    assert refused.value.constraint_name == "session_whole_or_tombstone"


COUNTED = """
create table write_transaction (id xid8 primary key);
create function count_write() returns trigger language plpgsql as $$
begin
    insert into write_transaction values (pg_current_xact_id()) on conflict do nothing;
    return null;
end $$;
create trigger count_write after insert or update or delete on session for each row execute function count_write();
"""
UNCOUNTED = """
drop trigger count_write on session;
drop function count_write();
drop table write_transaction;
"""


async def test_each_write_is_one_statement_and_one_write_transaction_and_a_repeat_writes_nothing(
    mesh: Any, session_request: Any, database: Database, sql: Any
) -> None:
    held, cancelled, never_made = session_request(hours=-2), session_request(), session_request()
    await mesh.create(cancelled)
    await sql.execute(COUNTED)
    try:
        for act in (
            lambda: mesh.create(held),
            lambda: mesh.complete(held),
            lambda: mesh.cancel(cancelled),
            lambda: mesh.cancel(never_made),
        ):
            for written in (1, 0):
                await sql.execute("delete from write_transaction")
                with sent_by(database) as sent:
                    await act()
                assert len(sent.statements) == 1
                assert await sql.fetchval("select count(*) from write_transaction") == written
    finally:
        await sql.execute(UNCOUNTED)
