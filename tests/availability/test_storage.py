"""The database of availability_svc: its locks, its number of commits, and the rows that its schema refuses."""

from __future__ import annotations

import asyncio
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest

from availability_svc import tables
from availability_svc.domain import Hold, Order, Span
from availability_svc.limits import Terms
from availability_svc.store import HoldStore, Versions
from mesh.money import Money
from mesh.statements import text
from tests.availability.conftest import wait_until

HOUR = timedelta(hours=1)
#: What a calendar's row has before anybody claims from it.
NEW = Versions(0, 0)


# Each writing transaction leaves its id, once.
COUNTED = """
do $$
declare name text;
begin
    create table write_log (xid xid8 primary key);
    create function log_write() returns trigger language plpgsql as $f$
    begin insert into write_log values (pg_current_xact_id()) on conflict do nothing; return null; end $f$;
    for name in select tablename from pg_tables where schemaname = 'public' and tablename <> 'write_log' loop
        execute format('create trigger log_write after insert or update or delete on %I
                        for each row execute function log_write()', name);
    end loop;
end $$
"""
UNCOUNTED = """
do $$
begin
    drop function log_write() cascade;
    drop table write_log;
end $$
"""


async def is_waiting(desk: Any, verb: str = "insert into") -> bool:
    """True when a connection that inserts a hold, or does something else with it, waits for another transaction."""
    query = """select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
        and query like :words"""
    return bool(await desk.sql(query, words=f"%{verb} hold%"))


async def test_a_tombstone_that_is_inserted_meanwhile_refuses_the_hold(desk: Any, monday: datetime, reason: Any):
    tutor, saga = await desk.publish(), uuid.uuid4()
    async with desk.database.pool.begin() as undo:
        assert await HoldStore(undo).leave_tombstone(saga)
        holding = asyncio.create_task(reason(desk.hold(tutor, monday, saga=saga)))
        await wait_until(lambda: is_waiting(desk))
    assert await holding == "CANCELLED"
    assert await desk.claims(saga) == []


async def test_a_release_waits_for_the_hold_that_is_being_inserted_and_frees_it(desk: Any, monday: datetime):
    order = Order(uuid.uuid4(), await desk.publish(), uuid.uuid4(), Span(monday, monday + HOUR))
    async with desk.database.pool.begin() as action:
        store = HoldStore(action)
        await store.lock(order.tutor_id, order.student_id)
        assert await store.insert(Hold(order, 0, Money(1, "USD"), uuid.uuid4(), monday), NEW)
        releasing = asyncio.create_task(desk.release(order.saga_id))
        await wait_until(lambda: is_waiting(desk))
    await releasing
    assert await desk.claims(order.saga_id) == []
    assert (await desk.sql("select state from hold where saga_id = :saga", saga=order.saga_id))[0].state == "RELEASED"


async def test_a_confirm_that_waited_for_an_eviction_does_not_confirm_what_is_left(
    desk: Any, monday: datetime, reason: Any, terms: Terms
):
    """The snapshot of the waiting statement still shows both claims."""
    tutor, old = await desk.publish(), uuid.uuid4()
    await desk.hold(tutor, monday, saga=old)
    await desk.lapse(old)
    order = Order(uuid.uuid4(), tutor, uuid.uuid4(), Span(monday, monday + HOUR))
    async with desk.database.pool.begin() as newcomer:
        store = HoldStore(newcomer)
        await store.lock(order.tutor_id, order.student_id)
        await store.evict((await store.read_situation(order, terms)).conflicts.lapsed)
        assert await store.insert(Hold(order, 0, Money(1, "USD"), uuid.uuid4(), monday), NEW)
        confirming = asyncio.create_task(reason(desk.confirm(old)))
        await wait_until(lambda: is_waiting(desk, "update"))
    assert await confirming == "SLOT_TAKEN"
    assert await desk.claims(old) == [("STUDENT", "HELD")]
    assert (await desk.sql("select state from hold where saga_id = :saga", saga=old))[0].state == "HELD"


async def test_a_hold_that_waited_for_a_time_won_again_is_refused_before_the_constraint(
    desk: Any, monday: datetime, reason: Any
):
    tutor, old = await desk.publish(), uuid.uuid4()
    await desk.hold(tutor, monday, saga=old)
    await desk.sql("delete from claim where saga_id = :saga", saga=old)  # the sweeper's work
    troubles = len(desk.troubles)
    async with desk.database.pool.begin() as late:
        assert await HoldStore(late).lock_hold(old)
        await HoldStore(late).claim_again(old)
        holding = asyncio.create_task(reason(desk.hold(tutor, monday)))
        await wait_until(lambda: is_waiting(desk))
    assert await holding == "SLOT_TAKEN"
    assert len(desk.troubles) == troubles


async def test_a_confirm_that_waited_for_a_release_is_refused(desk: Any, monday: datetime, reason: Any):
    tutor, student, saga = await desk.publish(), uuid.uuid4(), uuid.uuid4()
    await desk.hold(tutor, monday, student, saga)
    async with desk.database.pool.begin() as undo:
        assert await HoldStore(undo).lock_hold(saga)
        await HoldStore(undo).release(saga)
        confirming = asyncio.create_task(reason(desk.confirm(saga)))
        await wait_until(lambda: is_waiting(desk, "update"))
    assert await confirming == "CANCELLED"
    assert await desk.claims(saga) == []


async def test_a_confirm_reads_the_clock_behind_its_locks(desk: Any, monday: datetime, reason: Any):
    """The lesson begins while the statement waits, and the hold's grace is over."""
    tutor, student, saga = await desk.publish(), uuid.uuid4(), uuid.uuid4()
    await desk.hold(tutor, monday, student, saga)
    async with desk.database.pool.begin() as other:
        await HoldStore(other).lock(tutor, student)
        confirming = asyncio.create_task(reason(desk.confirm(saga)))
        await wait_until(lambda: is_waiting(desk, "update"))
        await desk.begin(saga)
    assert await confirming == "TOO_SOON"
    assert await desk.claims(saga) == [("TUTOR", "HELD"), ("STUDENT", "HELD")]


async def test_a_sold_lesson_costs_two_write_transactions_here(desk: Any, monday: datetime):
    tutor, student, saga = await desk.publish(), uuid.uuid4(), uuid.uuid4()
    await desk.sql(COUNTED)
    try:
        await desk.hold(tutor, monday, student, saga)  # both calendars are new
        await desk.confirm(saga)
        assert len(await desk.sql("select xid from write_log")) == 2
    finally:
        await desk.sql(UNCOUNTED)


async def test_a_conflict_past_the_locks_is_refused_by_the_constraint_as_slot_taken(
    desk: Any, monday: datetime, reason: Any
):
    """Another transaction writes without locking the calendars: the constraint refuses the overlap, by its right name."""
    tutor = await desk.publish()
    await desk.block(tutor, (monday - 2 * HOUR, monday - HOUR))  # opens the calendar
    async with desk.database.pool.begin() as rude:
        await rude.execute(text("set local session_replication_role = replica"))  # no foreign keys, hence no lock
        await rude.execute(
            text("""insert into claim (id, calendar_id, role, during, state)
                values (gen_random_uuid(), :tutor, 'BLOCK', tstzrange(:start, :end), 'BLOCKED')"""),
            {"tutor": tutor, "start": monday, "end": monday + HOUR},
        )
        holding = asyncio.create_task(reason(desk.hold(tutor, monday)))

        await wait_until(lambda: is_waiting(desk))
    assert await holding == "SLOT_TAKEN"
    assert desk.troubles == ["23P01"]  # exclusion_violation


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("insert into hold (saga_id, state) values (gen_random_uuid(), 'HELD')", "hold_whole_or_tombstone"),
        ("insert into hold (saga_id, state) values (gen_random_uuid(), 'LOST')", "hold_state_known"),
        (
            "insert into claim (id, calendar_id, role, during, state) select gen_random_uuid(), id, 'BLOCK',"
            " tstzrange(now(), null), 'BLOCKED' from calendar limit 1",
            "claim_half_open",
        ),
        (
            "insert into claim (id, calendar_id, role, during, state) select gen_random_uuid(), id, 'BLOCK',"
            " 'empty', 'BLOCKED' from calendar limit 1",
            "claim_half_open",
        ),
        (
            "insert into claim (id, calendar_id, role, during, state) select gen_random_uuid(), id, 'TUTOR',"
            " tstzrange(now(), now() + interval '1 hour'), 'CONFIRMED' from calendar limit 1",
            "claim_lesson_has_a_saga",
        ),
        (
            "insert into claim (id, calendar_id, role, during, state) values (gen_random_uuid(), gen_random_uuid(),"
            " 'BLOCK', tstzrange(now(), now() + interval '1 hour'), 'BLOCKED')",
            "claim_on_a_calendar",
        ),
    ],
)
async def test_the_schema_refuses_broken_rows(desk: Any, monday: datetime, statement: str, constraint: str):
    await desk.block(uuid.uuid4(), (monday, monday + HOUR))
    with pytest.raises(Exception, match=constraint):
        async with desk.database.pool.begin() as connection:
            await connection.execute(text(statement))


async def test_the_tables_in_the_code_are_the_tables_that_were_migrated(desk: Any):
    columns = await desk.sql(
        "select table_name, column_name, is_nullable = 'YES' from information_schema.columns"
        " where table_schema = 'public' and table_name <> 'alembic_version'"
    )
    assert set(map(tuple, columns)) == {
        (table.name, column.name, bool(column.nullable))
        for table in tables.metadata.tables.values()
        for column in table.columns
    }
    named = """select conname from pg_constraint
        where connamespace = 'public'::regnamespace and contype in ('c', 'x', 'u', 'f')"""
    migrated = {row[0] for row in await desk.sql(named)}
    coded = {str(rule.name) for table in tables.metadata.tables.values() for rule in table.constraints if rule.name}
    assert migrated == coded
