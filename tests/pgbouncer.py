"""A real PgBouncer in transaction mode before the tests' PostgreSQL: few connections to the server, many from services."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import make_url

from devkit.ports import reserve_port
from devkit.postgres import USER, Postgres
from devkit.processes.lifetime import bind_to_parent

#: Connections to the server that each database gets.
POOL_SIZE = 5
PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
#: `unix_socket_dir` is empty: it listens on loopback alone.
CONFIG = """
[databases]
* = host={sockets} port={server_port} user={user}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 500
log_connections = 0
log_disconnections = 0
"""


@dataclass(frozen=True)
class PgBouncer:
    """A running pooler."""

    port: int

    def url(self, direct: str) -> str:
        """The URL through the pooler of the database that a URL leads to."""
        return f"postgresql+asyncpg://{USER}@127.0.0.1:{self.port}/{make_url(direct).database}"


@contextlib.contextmanager
def start_pgbouncer(server: Postgres, folder: Path, port: int | None = None) -> Iterator[PgBouncer]:
    """PgBouncer before this server while inside. Skips the test where the program is missing."""
    if PROGRAM is None:
        pytest.skip("pgbouncer is not installed")
    port, log = port or reserve_port(), folder / "pgbouncer.log"
    config = folder / "pgbouncer.ini"
    config.write_text(
        CONFIG.format(sockets=server.sockets, server_port=server.port, user=USER, port=port, pool_size=POOL_SIZE)
    )
    with log.open("ab") as out:
        process = subprocess.Popen(
            [PROGRAM, str(config)], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            preexec_fn=bind_to_parent(signal.SIGKILL, server._identity),
        )  # fmt: skip
    try:
        _wait_until_it_listens(port, process, log)
        yield PgBouncer(port)
    finally:
        process.kill()
        process.wait(5)


def _wait_until_it_listens(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 10
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)
