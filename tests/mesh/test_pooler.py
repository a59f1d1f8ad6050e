"""Through PgBouncer in transaction mode: another session of the server may answer after each transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from click.testing import CliRunner

from booking_svc.settings import Settings as BookingSettings
from devkit.postgres import Postgres
from learning_svc.settings import Settings as LearningSettings
from mesh.database import Connection, Database
from mesh.errors import TryAgain
from mesh.postgres import SERVER_SETTINGS
from mesh.settings import load
from mesh.statements import text
from ops.__main__ import main
from tests.conftest import MakeDatabase
from tests.pgbouncer import PgBouncer, start_pgbouncer


@pytest.fixture(scope="module")
def pooler(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PgBouncer]:
    with start_pgbouncer(postgres, tmp_path_factory.mktemp("pgbouncer")) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def url(make_database: MakeDatabase) -> str:
    return await make_database("session_svc")


@pytest_asyncio.fixture(loop_scope="session")
async def database(pooler: PgBouncer, url: str) -> AsyncIterator[Database]:
    async with Database(pooler.url(url), name="pooled", pooler="transaction") as made:
        yield made


@pytest.mark.parametrize("kind", ["transaction", "statement"])
async def test_each_transaction_has_the_time_limits_and_they_end_with_it(
    database: Database, url: str, kind: str
) -> None:
    async def ask(connection: Connection) -> dict[str, str]:
        ask = text("select lower(name) as name, setting from pg_settings where lower(name) = any(:names)")
        rows = await connection.execute(ask, {"names": [*SERVER_SETTINGS, "application_name"]})
        return {row.name: row.setting for row in rows}

    found = await asyncio.gather(*(getattr(database, kind)(ask) for _ in range(10)))
    assert found == [SERVER_SETTINGS | {"application_name": "pooled"}] * 10


async def test_a_statement_that_takes_too_long_is_ended_and_its_connection_is_clean(database: Database) -> None:
    async def slow(connection: Connection) -> None:
        await connection.execute(text("set local statement_timeout = '20ms'"))
        await connection.execute(text("select pg_sleep(30)"))

    with pytest.raises(TryAgain, match="busy"):
        await database.transaction(slow)
    await database.ping()


async def test_many_clients_share_few_sessions_and_none_meets_anothers_statements(pooler: PgBouncer, url: str) -> None:
    """Each statement has a parameter of the same type, and more are on their way than sessions."""

    kept = text("select count(*) as n from pg_prepared_statements")

    async def ask(database: Database, first: int) -> None:
        for number in range(first, first + 6):
            question = text(f"select cast(:n as int) * 1000 + {number % 3} as answer from pg_sleep(0.002)")
            (row,) = await database.rows(question, {"n": number})
            assert row.answer == number * 1000 + number % 3
        assert (await database.rows(kept, {}))[0].n == 0

    clients = [Database(pooler.url(url), name=f"client-{at}", pooler="transaction") for at in range(3)]
    try:
        await asyncio.gather(*(ask(clients[at % 3], at) for at in range(24)))
    finally:
        for client in clients:
            await client.close()


async def test_without_the_setting_the_pooler_refuses_and_says_why(pooler: PgBouncer, url: str) -> None:
    async with Database(pooler.url(url), name="unaware") as unaware:
        with pytest.raises(TryAgain) as refused:
            await unaware.ping()
    assert "unsupported startup parameter" in str(refused.value.__cause__)


async def test_after_the_pooler_has_cut_them_idle_clients_notice_nothing(
    postgres: Postgres, url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("restarted")
    with start_pgbouncer(postgres, folder) as first:
        database = Database(first.url(url), name="pooled", pooler="transaction", pool_size=1)
        await database.ping()
        (idle,) = database.pool.idle
    async with asyncio.timeout(5):
        while not idle.raw.is_closed():  # noqa: ASYNC110 - the loop reads the end, and tells nobody
            await asyncio.sleep(0.01)
    with start_pgbouncer(postgres, folder, port=first.port):
        await database.ping()
        await database.close()


async def test_migrations_go_past_the_pooler(postgres: Postgres, pooler: PgBouncer) -> None:
    direct = await postgres.create_database(f"migrated_{uuid4().hex[:12]}")
    given = {"DATABASE_POOLER": "transaction", "BOOKING_DATABASE_URL": pooler.url(direct)}
    missing = await asyncio.to_thread(CliRunner().invoke, main, ["migrate"], env=given)
    assert missing.exit_code == 2
    assert "BOOKING_DATABASE_DIRECT_URL: is missing, and DATABASE_POOLER is transaction" in missing.output
    whole = given | {"BOOKING_DATABASE_DIRECT_URL": direct}
    done = await asyncio.to_thread(CliRunner().invoke, main, ["migrate"], env=whole)
    assert (done.exit_code, done.output) == (0, "booking: migrated\n")


@pytest.mark.parametrize(("settings", "name"), [(BookingSettings, "BOOKING"), (LearningSettings, "LEARNING")])
def test_who_listens_needs_the_way_past_the_pooler(
    settings: type[BookingSettings],
    name: str,
    auth_settings: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    given = {"DATABASE_POOLER": "transaction", "DATABASE_URL": "postgresql+asyncpg://x@pooler:6432/x"}
    for setting, value in (given | {key.upper(): value for key, value in auth_settings.items()}).items():
        monkeypatch.setenv(setting, value)
    with pytest.raises(SystemExit):
        load(settings)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "DATABASE_DIRECT_URL: Value error, is missing, and DATABASE_POOLER is transaction"
    monkeypatch.setenv(f"{name}_DATABASE_DIRECT_URL", "postgresql+asyncpg://x@server:5432/x")
    assert load(settings).listen_url == "postgresql+asyncpg://x@server:5432/x"
