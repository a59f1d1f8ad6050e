"""The embedded PostgreSQL starts, stops, keeps what was committed, and ends with its owner."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from devkit.postgres import Postgres, PostgresFailed, create_databases
from mesh.database import Database
from tests.devkit.fake_mesh import ONLY_LINUX, is_alive


def wait_until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        os.sched_yield()


def server_pid(server: Postgres) -> int:
    return int((server.folder / "postmaster.pid").read_text().split("\n")[0])


async def run(server: Postgres, statement: str) -> object:
    connection = await asyncpg.connect(server.url().replace("+asyncpg", ""))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_committed_data_survives_a_stop_and_a_start(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "postgres")
    with server:
        await run(server, "create table kept as select 7 as number")
        assert await run(server, "show fsync") == "on"
    assert not server.sockets.exists()
    with server:
        assert await run(server, "select number from kept") == 7


async def test_a_killed_server_starts_again_on_the_same_folder(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "postgres")
    server.start()
    await run(server, "create table kept as select 7 as number")
    pid = server_pid(server)
    os.kill(pid, signal.SIGKILL)
    with Postgres(tmp_path / "postgres") as again:
        assert server_pid(again) != pid
        assert await run(again, "select number from kept") == 7
    server.stop()


@ONLY_LINUX
def test_the_server_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from devkit.postgres import Postgres;"
        "Postgres(pathlib.Path(sys.argv[1]), durable=False).start(); print('up', flush=True); sys.stdin.read()"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "postgres")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert owner.stdin is not None and owner.stdout is not None
    with owner.stdin, owner.stdout:
        assert owner.stdout.readline() == b"up\n"
        pid = server_pid(Postgres(tmp_path / "postgres"))
        assert is_alive(pid)
        owner.kill()
        owner.wait()
        wait_until(lambda: not is_alive(pid))
    with Postgres(tmp_path / "postgres", durable=False) as again:
        assert again.is_running()


def test_a_reused_process_id_in_postmaster_pid_does_not_prevent_a_start(tmp_path: Path) -> None:
    with Postgres(tmp_path / "postgres", durable=False) as server:
        lines = (server.folder / "postmaster.pid").read_text().split("\n")
    (server.folder / "postmaster.pid").write_text("\n".join([str(os.getppid()), *lines[1:]]))
    with server:
        assert server_pid(server) != os.getppid()


async def test_a_database_is_made_once_and_copied_from_a_template(postgres: Postgres) -> None:
    url = await postgres.create_database("tried_template")
    assert await postgres.create_database("tried_template") == url
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.execute("create table copied (number int)")
    await connection.close()
    copy = await postgres.create_database("tried_copy", template="tried_template")
    async with Database(copy, name="test") as database:
        await database.ping()
    connection = await asyncpg.connect(copy.replace("+asyncpg", ""))
    assert await connection.fetchval("select count(*) from copied") == 0
    await connection.close()


async def test_several_at_once_make_each_database_once(postgres: Postgres) -> None:
    await asyncio.gather(*(create_databases(postgres.url(), ["agreed_one", "agreed_two"]) for _ in range(4)))
    names = await run(postgres, "select count(*) from pg_database where datname like 'agreed_%'")
    assert names == 2


def test_a_long_data_folder_gets_a_short_socket_folder(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-rather-long-name"] * 10) / "postgres"
    assert len(str(Postgres(deep).sockets)) < 90
    assert Postgres(deep).sockets != Postgres(tmp_path / "postgres").sockets


def test_a_folder_with_other_files_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    folder.mkdir()
    (folder / "something").write_text("else")
    with pytest.raises(PostgresFailed, match=r"initdb failed: .*not empty") as refusal:
        Postgres(folder).start()
    assert "\n" not in str(refusal.value)
