"""Databases are upgraded to their newest revision, also by several processes at once."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from devkit.postgres import Postgres
from mesh.migrations import heads, is_current, upgrade

Package = Callable[..., str]
ENV = "from mesh.migrations import run\nfrom sqlalchemy import MetaData\nrun(MetaData())\n"
VERSION = """
from alembic import op
revision = "{name}"
down_revision = {down}
def upgrade():
    op.execute("{statement}")
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    """`package("name", "statement 1", "statement 2")`: a service's package with one revision per statement."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(name: str, *statements: str) -> str:
        versions = tmp_path / name / "migrations" / "versions"
        versions.mkdir(parents=True, exist_ok=True)
        (tmp_path / name / "__init__.py").touch()
        (versions.parent / "env.py").write_text(ENV)
        for number, statement in enumerate(statements, 1):
            down = f'"{number - 1:04}"' if number > 1 else None
            text = VERSION.format(name=f"{number:04}", down=down, statement=statement)
            (versions / f"{number:04}_made.py").write_text(text)
        return name

    yield make
    sys.path_importer_cache.pop(str(tmp_path), None)


async def value(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_a_new_database_is_upgraded_to_the_newest_revision(postgres: Postgres, package: Package) -> None:
    url = await postgres.create_database("migrate_new")
    name = package("fresh_svc", "create table one (n int)", "create table two (n int)")
    assert not await is_current(url, name)
    await upgrade(url, name)
    assert await is_current(url, name)
    assert await value(url, "select count(*) from pg_tables where tablename in ('one', 'two')") == 2


async def test_a_revision_added_later_is_noticed_and_run(postgres: Postgres, package: Package) -> None:
    url = await postgres.create_database("migrate_later")
    await upgrade(url, package("later_svc", "create table one (n int)"))
    package("later_svc", "create table one (n int)", "alter table one add m int")
    assert heads("later_svc") == {"0002"}
    assert not await is_current(url, "later_svc")
    await upgrade(url, "later_svc")
    assert await is_current(url, "later_svc")


async def test_several_processes_at_once_migrate_once(postgres: Postgres, package: Package) -> None:
    url = await postgres.create_database("migrate_race")
    name = package("race_svc", "create table one (n int)", "insert into one values (1)")
    code = "import sys, asyncio; sys.path.insert(0, sys.argv[1]); from mesh.migrations import upgrade;"
    code += "asyncio.run(upgrade(sys.argv[2], 'race_svc'))"
    folder = str(Path(sys.path[0]))
    racers = [await asyncio.create_subprocess_exec(sys.executable, "-c", code, folder, url) for _ in range(3)]
    assert [await racer.wait() for racer in racers] == [0, 0, 0]
    assert await is_current(url, name)
    assert await value(url, "select count(*) from one") == 1


async def test_several_databases_at_once_in_one_process(postgres: Postgres, package: Package) -> None:
    urls = [await postgres.create_database(f"migrate_both_{number}") for number in range(2)]
    name = package("both_svc", "create table one (n int)")
    await asyncio.gather(*(upgrade(url, name) for url in urls))
    assert [await is_current(url, name) for url in urls] == [True, True]


async def test_a_revision_that_fails_leaves_nothing_half_done(postgres: Postgres, package: Package) -> None:
    url = await postgres.create_database("migrate_fail")
    name = package("fail_svc", "create table one (n int)", "create tabel two (n int)")
    with pytest.raises(Exception, match="syntax error"):
        await upgrade(url, name)
    assert await value(url, "select to_regclass('one')") is None
    assert not await is_current(url, name)


async def test_a_missing_package_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match="nothing_svc"):
        heads("nothing_svc")
