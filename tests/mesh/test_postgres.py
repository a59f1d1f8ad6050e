"""Connections by one URL, to a real server with TLS and a password of `@/#%`, which stops and starts, and stops writing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from devkit.certificates import authority
from devkit.ports import reserve_port
from devkit.postgres import Postgres
from mesh.changes import Changes
from mesh.database import Connection, Database
from mesh.errors import TryAgain
from mesh.migrations import is_current
from mesh.postgres import Connector
from mesh.statements import text
from ops.__main__ import main
from tests.mesh.conftest import wait_until
from tests.secured_postgres import PROGRAMS, SecuredPostgres

PASSWORD = "p@/#%:?&=+ [w]"
USES_TLS = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `server` and `stranger`, each with a certificate of a CA of its own."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("server", "stranger"):
        authority(folder / f"{name}.pem").issue(name, folder / name)
    return folder


@pytest.fixture(scope="module")
def secured(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredPostgres]:
    if PROGRAMS is None:
        pytest.skip("Debian's postgresql is not installed, and the embedded one has no TLS")
    with SecuredPostgres(tmp_path_factory.mktemp("secured") / "postgres", certificates / "server") as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def owner(secured: Postgres) -> str:
    """Makes the role that every test uses; its name."""
    async with session(secured.url()) as sql:
        await sql.execute(f"""create role "ow$ner" login password '{PASSWORD}'""")
    return "ow$ner"


@pytest_asyncio.fixture(loop_scope="session")
async def name(secured: Postgres, owner: str) -> str:
    """A new database, which the role owns."""
    made = f"d_{uuid4().hex[:8]}"
    async with session(secured.url()) as sql:
        await sql.execute(f'create database {made} owner "{owner}"')
    return made


@asynccontextmanager
async def session(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await Connector(url, "test").connect()
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
def url(secured: Postgres, owner: str, name: str, certificates: Path) -> str:
    """The URL as an operator writes it."""
    user = f"{quote(owner, safe='')}:{quote(PASSWORD, safe='')}"
    verified = f"sslmode=verify-full&sslrootcert={certificates}/server/ca.crt"
    return f"postgresql+asyncpg://{user}@127.0.0.1:{secured.port}/{name}?{verified}"


async def migrate(url: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, ["migrate"], env={"BOOKING_DATABASE_URL": url})


async def test_one_url_with_tls_serves_the_pool_the_listener_and_the_migrations(url: str) -> None:
    migrated = await migrate(url)
    assert (migrated.exit_code, migrated.output) == (0, "booking: migrated\n")
    assert await is_current(url, "booking_svc")
    async with Database(url, name="secured") as database:
        assert (await database.rows(text(USES_TLS), {}))[0].ssl is True
        record = uuid4()
        async with Changes(url, "booking") as changes:
            with changes.watch(record) as watcher:
                await watcher.wait_for_change()
                async with asyncio.timeout(10):
                    await wait_until_it_listens(database)
                    await watcher.wait_for_change()  # once when the listener has connected
                    notify = text("select pg_notify('booking_changed', :id)")
                    await database.rows(notify, {"id": str(record)})
                    await watcher.wait_for_change()
                ask = "select ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = :name"
                assert (await database.rows(text(ask), {"name": "booking_changes"}))[0].ssl is True


async def wait_until_it_listens(database: Database) -> None:
    ask = text("select 1 from pg_stat_activity where query like 'LISTEN %' and application_name = 'booking_changes'")

    async def listens() -> bool:
        return bool(await database.rows(ask, {}))

    await wait_until(listens)


@pytest.mark.parametrize("wrong", ["another CA", "another host"])
async def test_a_server_that_cannot_prove_itself_is_refused_by_all_three(url: str, wrong: str) -> None:
    bad = url.replace("/server/", "/stranger/") if wrong == "another CA" else url.replace("127.0.0.1", "127.0.0.2")
    migrated = await migrate(bad)
    assert migrated.exit_code == 1
    assert re.fullmatch(
        r"Error: booking: the database cannot be used: .*certificate verify failed.*\n", migrated.output
    )
    with capture_logs() as lines:
        async with Database(bad, name="secured") as database:
            with pytest.raises(TryAgain, match="away") as refused:
                await database.ping()
        async with Changes(bad, "booking"):
            await wait_until(lambda: was_logged(lines, "listener_failed"))
    assert "certificate verify failed" in str(refused.value.__cause__)
    assert "certificate verify failed" in lines[0]["error"]
    assert PASSWORD not in str((migrated.output, lines))


async def was_logged(lines: list, event: str) -> bool:
    return any(line["event"] == event for line in lines)


async def test_verify_ca_asks_for_no_name_and_a_server_that_wants_tls_takes_nothing_else(url: str) -> None:
    async with session(url.replace("verify-full", "verify-ca").replace("127.0.0.1", "127.0.0.2")) as sql:
        assert await sql.fetchval(USES_TLS)
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="no encryption"):
        async with session(url.replace("verify-full", "disable")):
            pass


async def test_the_password_may_come_from_the_environment_instead(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    async with session(url.replace(f":{quote(PASSWORD, safe='')}@", "@")) as sql:
        assert await sql.fetchval(USES_TLS)
    monkeypatch.setenv("PGPASSWORD", "wrong")
    with pytest.raises(asyncpg.InvalidPasswordError):
        async with session(url.replace(f":{quote(PASSWORD, safe='')}@", "@")):
            pass


async def test_after_a_restart_of_the_server_an_idle_process_notices_nothing(secured: Postgres, url: str) -> None:
    async with Database(url, name="idle", pool_size=3) as database, Database(url, name="idle", pool_size=1) as other:
        together = asyncio.Barrier(3)

        async def work(connection: Connection) -> None:
            await together.wait()
            await connection.execute(text("select 1"))

        await asyncio.gather(*(database.transaction(work) for _ in range(3)), other.ping())
        made = [idle.raw for idle in database.pool.idle]
        secured.stop()
        await wait_until(lambda: are_closed(made))
        with pytest.raises(TryAgain, match="away"):  # it tries, and finds nobody
            await other.ping()
        secured.start()
        await asyncio.gather(*(database.transaction(work) for _ in range(3)))
        await other.ping()
        assert database.pool.taken == other.pool.taken == 0


async def are_closed(connections: list[asyncpg.Connection]) -> bool:
    return all(connection.is_closed() for connection in connections)


@pytest_asyncio.fixture(loop_scope="session")
async def hosts(secured: Postgres, postgres: Postgres, name: str) -> str:
    """A URL of two servers by their sockets, the one with TLS first. Each has the database, with a table `cup`."""
    await postgres.create_database(name)
    for server in (secured, postgres):
        async with session(server.url(name)) as sql:
            await sql.execute("create table cup (server text)")
    where = f"host={secured.sockets},{postgres.sockets}&port={secured.port},{postgres.port}"
    return f"postgresql+asyncpg://postgres@/{name}?{where}&target_session_attrs=read-write"


POUR = text("insert into cup values (current_setting('port')) returning server")


async def test_a_host_that_is_dead_is_passed_over(postgres: Postgres, name: str) -> None:
    await postgres.create_database(name)
    hosts = f"host=127.0.0.1,{postgres.sockets}&port={reserve_port()},{postgres.port}"
    async with Database(f"postgresql+asyncpg://postgres@/{name}?{hosts}", name="hosts") as database:
        await database.ping()


async def test_a_host_that_is_silent_costs_its_time_once(postgres: Postgres) -> None:
    accepted: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: accepted.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    hosts = f"host=127.0.0.1,{postgres.sockets}&port={port},{postgres.port}"
    connector = Connector(f"postgresql+asyncpg://postgres@/postgres?{hosts}", "hosts", connect_seconds=3)
    for _ in range(3):
        connection = await connector.connect()
        await connection.close()
    assert len(accepted) == 1
    accepted[0].close()
    silent.close()


async def test_with_target_session_attrs_a_server_that_takes_no_writes_is_passed_over(
    secured: Postgres, postgres: Postgres, hosts: str, name: str
) -> None:
    async with session(secured.url(name)) as sql:
        await sql.execute(f"alter database {name} set default_transaction_read_only = on")
    async with Database(hosts, name="hosts") as database:
        assert (await database.rows(POUR, {}))[0].server == str(postgres.port)
        async with Changes(hosts, "cup"), session(postgres.url(name)) as sql:
            ask = "select count(*) from pg_stat_activity where application_name = 'cup_changes' and datname = $1"
            await wait_until(lambda: is_one(sql, ask, name))
    with pytest.raises(asyncpg.TargetServerAttributeNotMatched):
        await Connector(f"{secured.url(name)}&target_session_attrs=read-write", "hosts").connect()


async def is_one(sql: asyncpg.Connection, ask: str, name: str) -> bool:
    return await sql.fetchval(ask, name) == 1


async def test_a_server_that_becomes_read_only_is_try_again_and_the_next_call_finds_the_other(
    secured: Postgres, postgres: Postgres, hosts: str, name: str
) -> None:
    """What happens to the connections of a primary that was demoted, and stays up as a standby."""
    async with Database(hosts, name="hosts", pool_size=1) as database:
        assert (await database.rows(POUR, {}))[0].server == str(secured.port)
        async with session(secured.url(name)) as sql:
            await sql.execute("alter system set default_transaction_read_only = on")
            await sql.execute("select pg_reload_conf()")
            try:
                await wait_until(lambda: is_read_only(database))
                with pytest.raises(TryAgain, match="takes no writes"):
                    await database.rows(POUR, {})
                assert (await database.rows(POUR, {}))[0].server == str(postgres.port)
            finally:
                await sql.execute("alter system reset default_transaction_read_only")
                await sql.execute("select pg_reload_conf()")


async def is_read_only(database: Database) -> bool:
    return (await database.rows(text("select current_setting('default_transaction_read_only') as is"), {}))[0][
        0
    ] == "on"
