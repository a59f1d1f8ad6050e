"""The database: bounded retries, a refusal for each violated constraint, and nothing left open by a caller that leaves."""

from __future__ import annotations

import asyncio
import gc
import traceback
import uuid
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest
import pytest_asyncio
from grpc import StatusCode

from mesh.database import ATTEMPTS, Connection, Database, is_caused_by_values
from mesh.errors import Overloaded, Refusal, TryAgain
from mesh.statements import text
from tests.mesh.conftest import wait_until

SCHEMA = """
create table cup (
    id int primary key,
    tea int not null default 0,
    constraint cup_not_over check (tea <= 100),
    constraint cup_tea_unique exclude (tea with =) where (tea > 50)
);
insert into cup values (1, 0), (2, 0);
"""


class CupFull(Refusal):
    """No more goes in."""

    code = StatusCode.ABORTED
    reason = "CUP_FULL"


class CupTwin(Refusal):
    """Another cup has as much."""

    reason = "CUP_TWIN"


VIOLATIONS = {"cup_not_over": CupFull, "cup_tea_unique": CupTwin}


@pytest_asyncio.fixture
async def url(postgres) -> str:
    """A fresh database with two empty cups."""
    name = f"mesh_{uuid.uuid4().hex[:12]}"
    await postgres.create_database(name)
    connection = await asyncpg.connect(postgres.url(name).replace("+asyncpg", ""))
    await connection.execute(SCHEMA)
    await connection.close()
    return postgres.url(name)


@pytest_asyncio.fixture
async def database(url: str) -> AsyncIterator[Database]:
    async with Database(url, name="mesh-test", violations=VIOLATIONS, pool_size=3) as made:
        yield made


@pytest_asyncio.fixture
async def onlooker(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection beside the pool, to see what is stored."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    yield connection
    await connection.close()


def pour_into(cup: int, tea: int) -> Callable:
    async def pour(connection: Connection) -> None:
        await connection.execute(text("update cup set tea = tea + :tea where id = :cup"), {"cup": cup, "tea": tea})

    return pour


async def read_tea(database: Database, cup: int = 1) -> int:
    (row,) = await database.rows(text("select tea from cup where id = :cup"), {"cup": cup})
    return row.tea


async def test_a_transaction_returns_the_works_result_and_commits_its_writes(database):
    async def work(connection: Connection) -> int:
        await pour_into(1, 5)(connection)
        return (await connection.execute(text("select tea from cup where id = 1"))).scalar_one()

    assert await database.transaction(work) == 5
    assert await read_tea(database) == 5


async def test_an_exception_in_the_work_rolls_its_writes_back(database):
    async def work(connection: Connection) -> None:
        await pour_into(1, 5)(connection)
        raise KeyError("spilled")

    with pytest.raises(KeyError):
        await database.transaction(work)
    assert await read_tea(database) == 0


async def test_a_statement_needs_no_transaction_around_it(database, onlooker):
    async def work(connection: Connection) -> None:
        await pour_into(1, 5)(connection)
        assert await onlooker.fetchval("select tea from cup where id = 1") == 5

    await database.statement(work)


async def test_a_statement_without_rows_returns_none(database):
    assert await database.rows(text("update cup set tea = 1"), {}) == []


class Meeting:
    """Two pieces of work that wait for each other once, in their first attempt."""

    def __init__(self) -> None:
        self.attempts, self._both = 0, asyncio.Barrier(2)

    async def wait(self) -> None:
        self.attempts += 1
        if self.attempts <= 2:
            await self._both.wait()


async def test_lost_updates_are_run_again_until_both_count(database):
    meeting = Meeting()

    async def increment(connection: Connection) -> None:
        await connection.execute(text("set transaction isolation level repeatable read"))
        now = (await connection.execute(text("select tea from cup where id = 1"))).scalar_one()
        await meeting.wait()
        await connection.execute(text("update cup set tea = :tea where id = 1"), {"tea": now + 1})

    await asyncio.gather(database.transaction(increment), database.transaction(increment))
    assert (await read_tea(database), meeting.attempts) == (2, 3)


async def test_a_deadlock_is_run_again_until_both_are_done(database):
    meeting = Meeting()

    def crossing(first: int, second: int) -> Callable:
        async def cross(connection: Connection) -> None:
            await connection.execute(text("set local deadlock_timeout = '20ms'"))
            await pour_into(first, 1)(connection)
            await meeting.wait()
            await pour_into(second, 1)(connection)

        return cross

    await asyncio.gather(database.transaction(crossing(1, 2)), database.transaction(crossing(2, 1)))
    assert (await read_tea(database, 1), await read_tea(database, 2)) == (2, 2)
    assert meeting.attempts >= 3  # the one that is run again may come first, and they meet in another deadlock


@pytest.mark.parametrize("state", ["40001", "40P01"])
async def test_a_transaction_that_always_fails_to_serialize_ends_as_try_again(database, state):
    attempts = 0

    async def work(connection: Connection) -> None:
        nonlocal attempts
        attempts += 1
        await connection.execute(text(f"do $$ begin raise exception 'again' using errcode = '{state}'; end $$"))

    with pytest.raises(TryAgain, match="too many at once"):
        await database.transaction(work)
    assert attempts == ATTEMPTS


@pytest.mark.parametrize(("amount", "refusal"), [(101, CupFull), (60, CupTwin)])
async def test_a_violated_constraint_raises_its_refusal(database, amount, refusal):
    await database.transaction(pour_into(2, 60))
    with pytest.raises(refusal):
        await database.transaction(pour_into(1, amount))
    assert await read_tea(database) == 0


async def test_a_violated_constraint_without_a_refusal_raises_the_database_error(database):
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="cup_pkey"):
        await database.rows(text("insert into cup values (1, 1)"), {})


@pytest.mark.parametrize("statement", ["select nonsense", "selekt"])
async def test_wrong_sql_raises_the_database_error(database, statement):
    with pytest.raises(asyncpg.SyntaxOrAccessError):
        await database.rows(text(statement), {})


async def test_a_value_that_postgresql_cannot_take_raises_the_database_error(database):
    with pytest.raises(asyncpg.PostgresError, match="out of int32 range"):
        await database.rows(text("select cast(:n as int)"), {"n": 2**40})


async def test_an_error_message_does_not_contain_the_values(database):
    with pytest.raises(asyncpg.PostgresError) as failed:
        await database.rows(text("select cast(:secret as text), 1 / 0"), {"secret": "pi_1_secret_2"})
    assert "pi_1_secret_2" not in str(failed.value)


async def test_an_error_does_not_repeat_the_row_that_postgresql_refused(database):
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as failed:
        await database.rows(text("insert into cup values (1, 1)"), {})
    assert "cup_pkey" in str(failed.value)
    assert "DETAIL" not in "".join(traceback.format_exception(failed.value))


@pytest.mark.parametrize(
    ("statement", "is_by_values"),
    [
        ("insert into cup values (1, 1)", True),
        ("select 1 / 0", True),
        ("select repeat('a', 2000000000)", True),
        ("select nonsense", False),
    ],
)
async def test_an_error_says_whether_the_values_caused_it(database, statement, is_by_values):
    with pytest.raises(asyncpg.PostgresError) as failed:
        await database.rows(text(statement), {})
    assert is_caused_by_values(failed.value) is is_by_values
    assert not is_caused_by_values(TryAgain())


async def test_a_lock_that_takes_too_long_is_try_again(database):
    async def impatient(connection: Connection) -> None:
        await connection.execute(text("set local lock_timeout = '20ms'"))
        await pour_into(1, 1)(connection)

    async def holding(connection: Connection) -> None:
        await pour_into(1, 1)(connection)
        with pytest.raises(TryAgain, match="busy"):
            await database.transaction(impatient)

    await database.transaction(holding)
    assert await read_tea(database) == 1


async def test_a_statement_that_takes_too_long_is_try_again(database):
    async def slow(connection: Connection) -> None:
        await connection.execute(text("set local statement_timeout = '20ms'"))
        await connection.execute(text("select pg_sleep(30)"))

    with pytest.raises(TryAgain, match="busy"):
        await database.transaction(slow)


async def test_a_server_that_is_away_is_try_again():
    async with Database("postgresql+asyncpg://nobody@127.0.0.1:1/nothing", name="x") as database:
        with pytest.raises(TryAgain, match="away"):
            await database.ping()


async def test_a_server_that_takes_no_more_connections_is_try_again(url, onlooker):
    role = f"poor_{uuid.uuid4().hex[:8]}"
    await onlooker.execute(f"create role {role} login connection limit 0")
    async with Database(url.replace("//postgres@", f"//{role}@"), name="x") as database:
        with pytest.raises(TryAgain, match="no more connections"):
            await database.ping()


async def test_a_cut_connection_is_try_again_and_the_next_call_has_a_new_one(database):
    await database.ping()
    with pytest.raises(TryAgain, match="away"):
        await database.rows(text("select pg_terminate_backend(pg_backend_pid())"), {})
    await database.ping()


@pytest.mark.parametrize("kind", ["transaction", "statement"])
async def test_connections_that_are_cut_while_they_are_idle_are_replaced_and_none_is_lost(database, onlooker, kind):
    run, together = getattr(database, kind), asyncio.Barrier(3)

    async def work(connection: Connection) -> None:
        await together.wait()
        await connection.execute(text("select 1"))

    await asyncio.gather(*(run(work) for _ in range(3)))
    await onlooker.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name = 'mesh-test' and datname = current_database()"
    )
    outcomes = await asyncio.gather(*(run(work) for _ in range(3)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {type(None), TryAgain}  # it may have seen the cut by now
    gc.collect()
    assert database.pool.taken == 0
    await asyncio.gather(*(run(work) for _ in range(3)))


async def test_when_every_connection_is_busy_the_caller_gets_overloaded(database):
    database.pool.wait_seconds = 0.05
    release, held = asyncio.Event(), asyncio.Barrier(4)

    async def hold(connection: Connection) -> None:
        await held.wait()
        await release.wait()

    holders = [asyncio.create_task(database.statement(hold)) for _ in range(3)]
    await held.wait()
    with pytest.raises(Overloaded):
        await database.ping()
    release.set()
    await asyncio.gather(*holders)
    await database.ping()


async def _cancel_inside(database: Database, work: Callable) -> None:
    """Cancel the caller of a transaction once its work is under way."""
    inside = asyncio.Event()

    async def watched(connection: Connection) -> None:
        inside.set()
        await work(connection)

    caller = asyncio.create_task(database.transaction(watched))
    await inside.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller


async def test_a_caller_that_leaves_neither_stops_the_work_nor_keeps_a_connection(database, onlooker):
    go_on = asyncio.Event()

    async def work(connection: Connection) -> None:
        await pour_into(1, 1)(connection)
        await go_on.wait()
        await pour_into(1, 1)(connection)

    for _ in range(3):  # as many as the pool has
        await _cancel_inside(database, work)
    assert database.pool.taken == 3
    go_on.set()

    async def is_idle() -> bool:
        busy = await onlooker.fetchval(
            "select count(*) from pg_stat_activity where application_name = 'mesh-test' and state <> 'idle'"
            " and datname = current_database()"
        )
        return database.pool.taken == 0 and busy == 0

    await wait_until(is_idle)
    assert await read_tea(database) == 6


async def test_a_caller_that_leaves_during_a_query_leaves_no_transaction_open(database, onlooker):
    async def work(connection: Connection) -> None:
        await connection.execute(text("select pg_sleep(0.1)"))
        await pour_into(1, 1)(connection)

    await _cancel_inside(database, work)

    async def done() -> bool:
        return await onlooker.fetchval("select tea from cup where id = 1") == 1

    await wait_until(done)
    assert database.pool.taken == 0
    query = "select count(*) from pg_stat_activity where application_name = 'mesh-test' and state like 'idle in%'"
    assert await onlooker.fetchval(query) == 0


async def test_a_failure_after_the_caller_has_left_is_not_reported_as_never_retrieved(database):
    complaints, loop, done = [], asyncio.get_running_loop(), asyncio.Event()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: complaints.append(context))

    async def work(connection: Connection) -> None:
        try:
            await connection.execute(text("select pg_sleep(0.02)"))
            raise KeyError("nobody listens")
        finally:
            done.set()

    try:
        await _cancel_inside(database, work)
        await done.wait()

        async def returned() -> bool:
            return database.pool.taken == 0

        await wait_until(returned)
        gc.collect()
    finally:
        loop.set_exception_handler(before)
    assert complaints == []


async def test_closing_waits_for_the_work_of_callers_that_have_left(url, onlooker):
    database, go_on = Database(url, name="mesh-test"), asyncio.Event()

    async def work(connection: Connection) -> None:
        await go_on.wait()
        await pour_into(1, 1)(connection)

    await _cancel_inside(database, work)
    closing = asyncio.create_task(database.close())
    asyncio.get_running_loop().call_soon(go_on.set)
    await closing
    assert await onlooker.fetchval("select tea from cup where id = 1") == 1


async def test_every_connection_has_its_services_name_and_its_time_limits(database, url):
    names = ("application_name", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "timezone")
    shown = [(await database.rows(text(f"show {name}"), {}))[0][0] for name in names]
    assert shown == ["mesh-test", "5s", "2s", "10s", "UTC"]


@pytest.mark.parametrize("sql", ["select * from cup", "update cup set tea = 0 returning *"])
async def test_68_a_column_that_a_migration_adds_costs_no_failed_statement(url: str, sql: str) -> None:
    """PostgreSQL refuses prepared statements whose columns have changed."""
    async with Database(url, name="test", pool_size=4) as database:

        async def use(connection: Connection) -> set[str]:
            return set((await connection.execute(text(sql)))[0].keys())

        async def use_all() -> list[set[str]]:
            return await asyncio.gather(
                *(run(use) for run in (database.transaction, database.statement) for _ in range(4))
            )

        before = await use_all()
        migration = await asyncpg.connect(url.replace("+asyncpg", ""))
        await migration.execute("alter table cup add column milk int")
        await migration.close()
        assert [after - {"milk"} for after in await use_all()] == before
