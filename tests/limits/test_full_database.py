"""A full or slow database: the caller gets a typed refusal, and no transaction stays open."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy.engine import make_url
from structlog.testing import capture_logs

from mesh.database import ATTEMPTS, POOL_TIMEOUT_SECONDS, Connection, Database, retry_pause
from mesh.database_watch import Watch
from mesh.errors import Overloaded, TryAgain
from mesh.postgres import SERVER_SETTINGS
from mesh.statements import text
from payment_svc.peers import STEP_SECONDS
from tests.conftest import MakeDatabase
from tests.people import People, lesson_time
from tests.world import World

COUNT = "select count(*) as n, count(*) filter (where state <> 'idle') as busy from pg_stat_activity"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def url(make_database: MakeDatabase) -> str:
    return await make_database("session_svc")


@pytest_asyncio.fixture(loop_scope="session")
async def database(url: str) -> AsyncIterator[Database]:
    async with Database(url, name="limited", pool_size=2) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def outsider(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.execute("create table if not exists cup (id int primary key, tea int)")
    await connection.execute("insert into cup values (1, 0) on conflict (id) do update set tea = 0")
    yield connection
    await connection.close()


async def assert_nothing_is_left(outsider: asyncpg.Connection) -> None:
    """Assert that no connection of ours is in a transaction, and that the cup is unchanged."""
    open_ones = "select query from pg_stat_activity where application_name = 'limited' and xact_start is not null"
    assert await outsider.fetch(open_ones) == []
    assert await outsider.fetchval("select tea from cup") == 0


async def pour(connection: Connection) -> None:
    await connection.execute(text("update cup set tea = tea + 1"))


async def test_when_every_connection_is_busy_the_answer_is_overloaded_with_a_hint_and_no_connection_is_added(
    database: Database, outsider: asyncpg.Connection
) -> None:
    release, inside = asyncio.Event(), asyncio.Barrier(3)

    async def hold(connection: Connection) -> None:
        await inside.wait()
        await release.wait()

    holders = [asyncio.create_task(database.transaction(hold)) for _ in range(2)]
    await inside.wait()
    refused = await asyncio.gather(*(database.ping() for _ in range(50)), return_exceptions=True)
    assert {type(error) for error in refused} == {Overloaded}
    assert all(error.retry_after > 0 for error in refused if isinstance(error, Overloaded))
    row = await outsider.fetchrow(f"{COUNT} where application_name = 'limited'")
    assert row["n"] == 2
    release.set()
    await asyncio.gather(*holders)
    await database.ping()


async def test_a_statement_that_takes_too_long_is_try_again_and_its_transaction_is_gone(
    database: Database, outsider: asyncpg.Connection
) -> None:
    async def slow(connection: Connection) -> None:
        await connection.execute(text("set local statement_timeout = '50ms'"))
        await pour(connection)
        await connection.execute(text("select pg_sleep(30)"))

    with pytest.raises(TryAgain) as refused:
        await database.transaction(slow)
    assert refused.value.retry_after > 0
    await assert_nothing_is_left(outsider)


async def test_a_lock_that_is_not_given_is_try_again_and_the_transaction_is_gone(
    database: Database, outsider: asyncpg.Connection
) -> None:
    async def impatient(connection: Connection) -> None:
        await connection.execute(text("set local lock_timeout = '50ms'"))
        await connection.execute(text("create temporary table scratch (id int) on commit drop"))
        await pour(connection)

    async with outsider.transaction():
        await outsider.execute("select * from cup for update")
        with pytest.raises(TryAgain) as refused:
            await database.transaction(impatient)
    assert refused.value.retry_after > 0
    await assert_nothing_is_left(outsider)


async def test_a_transaction_that_idles_too_long_is_ended_and_answers_try_again(
    database: Database, outsider: asyncpg.Connection
) -> None:
    async def idle(connection: Connection) -> None:
        await connection.execute(text("set local idle_in_transaction_session_timeout = '50ms'"))
        await pour(connection)
        gone = "select 1 from pg_stat_activity where application_name = 'limited' and state like 'idle in%'"
        async with asyncio.timeout(5):
            while await outsider.fetch(gone):  # noqa: ASYNC110 - PostgreSQL tells nobody
                await asyncio.sleep(0.01)
        await pour(connection)

    with pytest.raises(TryAgain):
        await database.transaction(idle)
    await assert_nothing_is_left(outsider)
    await database.ping()


async def test_a_connection_whose_server_does_not_answer_is_replaced(
    url: str, outsider: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Database(url, name="limited", pool_size=1) as database:
        await database.ping()
        (pid,) = await outsider.fetchrow("select pid from pg_stat_activity where application_name = 'limited'")

        async def unanswered(connection: Connection) -> None:
            await connection.raw.execute("select pg_sleep(30)", timeout=0.05)

        with pytest.raises(TryAgain, match="away"):
            await database.statement(unanswered)
        assert (await database.rows(text("select pg_backend_pid() as pid"), {}))[0].pid != pid


FAIL = """create or replace function fail(state text) returns void language plpgsql as $$
    begin raise exception 'could not extend the file' using errcode = state, detail = 'secret values'; end $$"""


@pytest.mark.parametrize(
    ("state", "words", "cause"),
    [
        ("53100", "the database's disk is full", "disk_full"),
        ("53200", "the database is out of memory", "out_of_memory"),
        ("53300", "the database takes no more connections", "too_many_connections"),
        ("53400", "the database has reached a limit of its own", "out_of_resources"),
        ("58030", "the database cannot use its disk", "disk_error"),
        ("25006", "the database takes no writes", "read_only"),
    ],
)
async def test_what_a_full_database_lacks_is_said_and_alerted_once(
    database: Database, outsider: asyncpg.Connection, state: str, words: str, cause: str
) -> None:
    await outsider.execute(FAIL)
    with capture_logs() as lines:
        for _ in range(3):
            with pytest.raises(TryAgain, match=words):
                await database.rows(text("select fail(:state)"), {"state": state})
    (line,) = (line for line in lines if line["event"] == "database_unwell")
    assert (line["alert"], line["cause"], line["sqlstate"], line["database"]) == (True, cause, state, "limited")
    assert "could not extend the file" in line["error"] and "secret values" not in str(lines)
    assert database.faults.current is not None
    database.faults.end()


@pytest.mark.parametrize("state", ["08006", "57P01", "57P03"])
async def test_a_server_that_is_away_is_no_alert_of_a_statements(
    database: Database, outsider: asyncpg.Connection, state: str
) -> None:
    await outsider.execute(FAIL)
    with capture_logs() as lines, pytest.raises(TryAgain, match="away"):
        await database.rows(text("select fail(:state)"), {"state": state})
    assert lines == []


async def test_an_error_of_the_statement_is_no_fault_of_the_database(database: Database) -> None:
    with pytest.raises(asyncpg.PostgresError):
        await database.rows(text("select 1 / 0"), {})
    with pytest.raises(asyncpg.PostgresError):
        await database.rows(text("select no_such_column"), {})


@dataclass
class Watched:
    """What a watch says of a database."""

    statuses: dict[str, bool] = field(default_factory=dict)

    def set_status(self, name: str, serving: bool) -> None:
        self.statuses[name] = serving

    async def says(self, *, database: bool, writes: bool) -> None:
        wanted = {"database": database, "database.writes": writes}
        async with asyncio.timeout(15):
            while self.statuses != wanted:  # noqa: ASYNC110 - the watch tells nobody else
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def watching(database: Database) -> AsyncIterator[Watched]:
    seen = Watched()
    task = asyncio.create_task(Watch(database, every=0.02).run(seen.set_status))
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.parametrize(
    ("setting", "cause"),
    [("temp_file_limit = 0", "out_of_resources"), ("default_transaction_read_only = on", "read_only")],
)
async def test_the_watch_says_that_writes_fail_and_that_they_succeed_again(
    url: str, outsider: asyncpg.Connection, setting: str, cause: str
) -> None:
    """Without room for a temporary file, as on a full disk; and without the leave to write, as on a standby."""
    name = await outsider.fetchval("select current_database()")
    await outsider.execute(f'alter database "{name}" set {setting}')
    try:
        with capture_logs() as lines:
            async with Database(url, name="limited", pool_size=1) as made, watching(made) as seen:
                await seen.says(database=True, writes=False)
                await outsider.execute(f'alter database "{name}" reset {setting.split()[0]}')
                await cut(outsider, "limited")
                await seen.says(database=True, writes=True)
        (line,) = (line for line in lines if line["event"] == "database_unwell" and line["cause"] == cause)
        assert line["alert"] is True
        assert "database_well" in [line["event"] for line in lines]
    finally:
        await outsider.execute(f'alter database "{name}" reset {setting.split()[0]}')


async def test_what_a_statement_meets_counts_for_the_watch(url: str, outsider: asyncpg.Connection) -> None:
    await outsider.execute(FAIL)
    async with Database(url, name="limited", pool_size=1) as made, watching(made) as seen:
        await seen.says(database=True, writes=True)
        with pytest.raises(TryAgain):
            await made.rows(text("select fail('53100')"), {})
        await seen.says(database=True, writes=False)


async def test_the_watch_says_that_a_server_takes_no_connections(url: str, outsider: asyncpg.Connection) -> None:
    name = await outsider.fetchval("select current_database()")
    async with Database(url, name="limited", pool_size=1) as made, watching(made) as seen:
        await seen.says(database=True, writes=True)
        other = await asyncpg.connect(part_of(url, database="postgres").replace("+asyncpg", ""))
        try:
            await other.execute(f'alter database "{name}" allow_connections false')
            await cut(other, "limited")
            await seen.says(database=False, writes=False)
        finally:
            await other.execute(f'alter database "{name}" allow_connections true')
            await other.close()
        await seen.says(database=True, writes=True)


async def test_the_watch_needs_no_more_rights_than_a_service(url: str, outsider: asyncpg.Connection) -> None:
    name = await outsider.fetchval("select current_database()")
    await outsider.execute("create role plain login")
    try:
        plain = part_of(url, username="plain")
        async with Database(plain, name="limited", pool_size=1) as made, watching(made) as seen:
            await seen.says(database=True, writes=True)
            assert await outsider.fetchval(
                "select count(*) from pg_stat_activity where usename = 'plain' and datname = $1", name
            )
            await outsider.execute("alter role plain connection limit 0")
            await cut(outsider, "limited")
            await seen.says(database=False, writes=False)
            with pytest.raises(TryAgain, match="no more connections"):
                await made.ping()
    finally:
        await cut(outsider, "limited")
        await outsider.execute("drop role plain")


def part_of(url: str, **changed: str) -> str:
    return make_url(url).set(**changed).render_as_string(hide_password=False)


async def cut(connection: asyncpg.Connection, name: str) -> None:
    """End the connections of this name, and wait until they have gone."""
    await connection.execute(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = $1", name
    )


def test_the_pauses_between_attempts_are_jittered_and_bounded() -> None:
    pauses = [[retry_pause(attempt) for _ in range(200)] for attempt in range(ATTEMPTS)]
    assert all(len(set(some)) > 100 for some in pauses)
    assert all(0 <= one <= 0.01 * 2**attempt for attempt, some in enumerate(pauses) for one in some)


def test_waits_for_locks_and_connections_end_before_the_deadline_of_a_sagas_step() -> None:
    assert POOL_TIMEOUT_SECONDS < STEP_SECONDS
    assert int(SERVER_SETTINGS["lock_timeout"]) < STEP_SECONDS * 1000


async def test_every_connection_of_every_service_has_the_time_limits(
    world: World, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each connection is asked for its settings when it opens, while a lesson is booked."""
    shown: dict[str, set[tuple[str, ...]]] = {}
    ask = "select lower(name), setting from pg_settings"

    connect = asyncpg.connect

    async def connect_and_ask(*given: Any, **options: Any) -> asyncpg.Connection:
        raw = await connect(*given, **options)
        values = dict(await raw.fetch(ask))
        if not values["application_name"].endswith("_changes"):  # who listens has no transaction
            shown.setdefault(values["application_name"], set()).add(tuple(values[name] for name in SERVER_SETTINGS))
        return raw

    monkeypatch.setattr(asyncpg, "connect", connect_and_ask)
    await cut_all_connections(world)
    booked = await book_again(people)
    await people.pay(booked.payment_intent_id)
    await people.until_state(booked.saga_id, "COMPLETED")
    monkeypatch.undo()
    said = tuple(SERVER_SETTINGS.values())
    assert shown == {name: {said} for name in ("availability", "booking", "payment", "session")}
    for service in shown:
        users = "select distinct application_name as name from pg_stat_activity where datname = current_database()"
        names = {row["name"] for row in await world.sql(service, users)} - {"", "booking_changes", "enrollment_changes"}
        assert names <= {service}, "a connection of somebody's that does not come from mesh.database"


async def cut_all_connections(world: World) -> None:
    for service in ("availability", "booking", "payment", "session"):
        cut = """select pg_terminate_backend(pid) from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid()"""
        await world.sql(service, cut)


async def book_again(people: People) -> Any:
    """Book again after TRY_AGAIN: a pool finds its dead connections only by using them."""
    async with asyncio.timeout(15):
        while True:
            with contextlib.suppress(TryAgain):
                return await people.book(await people.tutor(), lesson_time())
