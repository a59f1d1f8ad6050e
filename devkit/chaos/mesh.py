"""A mesh in a folder of its own, whose processes can be killed and frozen. It remembers which program was down when."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from devkit.databases import embedded, urls
from devkit.launcher import Launcher
from devkit.layout import HOST, PROGRAMS, Layout
from devkit.ports import reserve_ports
from devkit.processes.child import Child
from devkit.processes.console import Console

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90
#: Settings of the caller's environment that the mesh does not inherit.
_NOT_INHERITED = (
    "TUTORMESH_",
    "STRIPE_",
    "HOLD_",
    "PAYMENT_",
    "CANCELLATION_",
    "ENROLLMENT_",
    "SAGA_",
    "RECONCILE_",
    "MAX_",
    "NOTIFY_",
    "SMTP_",
    "LOG_",
    "OPS_",
)
#: Holds are short. Some lessons are refunded in full and some by half, courses by half. The service reconciles several
#: times within a run, because no operator does.
RULES = {
    "RECONCILE_SECONDS": "5",
    "HOLD_MINUTES": "0.2",
    "HOLD_GRACE_SECONDS": "1",
    "CANCELLATION_POLICY": "72h:100,2h:50",
    "ENROLLMENT_POLICY": "1h:50",
}


class _LogConsole(Console):
    """A console that writes to a file, and sets `ready` when the mesh is ready."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w")
        super().__init__(self._file)
        self.ready = asyncio.Event()

    def plain(self, *lines: str) -> None:
        now = time.strftime("%H:%M:%S", time.gmtime())
        super().plain(*(f"{now} {line}" if line else line for line in lines))
        if "ready" in lines:
            self.ready.set()

    def close(self) -> None:
        self._file.close()


@dataclass(slots=True)
class _Down:
    program: str
    since: float
    until: float | None = None


@dataclass(slots=True)
class Mesh:
    """A running mesh."""

    folder: Path
    layout: Layout
    launcher: Launcher
    pids: set[int] = field(default_factory=set)
    deaths: Counter[str] = field(default_factory=Counter)
    _downs: list[_Down] = field(default_factory=list)
    _watches: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def log(self) -> Path:
        """The file with the output of every process."""
        return self.folder / "log"

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which an operator's command finds this mesh."""
        return dict(self.layout.settings)

    def database(self, program: str) -> str:
        """The URL of a service's database, for asyncpg."""
        return urls(embedded(self.layout).url())[program].replace("+asyncpg", "", 1)

    def living(self, program: str) -> list[Child]:
        """The living processes of a program, all replicas."""
        return [
            child
            for child in self.launcher.children
            if child.name.split(".")[0] == program and child.process is not None and child.process.poll() is None
        ]

    def kill(self, program: str, pick: float = 0.0, how: signal.Signals = signal.SIGKILL) -> int | None:
        """Kill one process of a program and return its id; None when no process lives."""
        living = self.living(program)
        if not living:
            return None
        child = living[int(pick * len(living))]
        assert child.process is not None
        pid = child.process.pid
        self.pids.add(pid)
        self.deaths[child.name] += 1
        child.process.send_signal(how)
        self._record_down(program, child, pid)
        return pid

    def replica(self, program: str, lease_owner: str | None) -> float | None:
        """The `pick` with which `kill` hits the owner of a lease ("host:pid:…"); None when that process is gone."""
        pids = [child.process.pid for child in self.living(program) if child.process is not None]
        owner = int(lease_owner.split(":")[1]) if lease_owner else 0
        return (pids.index(owner) + 0.5) / len(pids) if owner in pids else None

    def freeze(self, program: str) -> list[psutil.Process]:
        """Suspend a program's processes, and return them for `thaw`."""
        frozen = [psutil.Process(child.process.pid) for child in self.living(program) if child.process is not None]
        for process in frozen:
            process.suspend()
        return frozen

    def thaw(self, frozen: list[psutil.Process]) -> None:
        """Resume the processes that still live."""
        for process in frozen:
            with contextlib.suppress(psutil.Error):  # psutil also refuses a process id that was reused
                process.resume()

    def _record_down(self, program: str, child: Child, pid: int) -> None:
        down = _Down(program, time.time())
        self._downs.append(down)
        task = asyncio.create_task(self._watch(down, child, pid))
        self._watches.add(task)
        task.add_done_callback(self._watches.discard)

    async def _watch(self, down: _Down, child: Child, pid: int) -> None:
        """Record when the successor takes connections. For PostgreSQL and replicas a new process is enough."""
        while child.process is None or child.process.pid == pid:  # noqa: ASYNC110 - a process has no event for it
            await asyncio.sleep(0.02)
        while down.program in PROGRAMS and not await _is_listening(self.layout.port(down.program)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        down.until = time.time()

    def was_down(self, program: str, since: float) -> bool:
        """True when the program was down at any moment since then."""
        return any(down.program == program and (down.until is None or down.until >= since) for down in self._downs)

    def unexpected_deaths(self) -> list[str]:
        """One line for each program that was started more often than it was killed."""
        return [
            f"{child.name} was started {child.starts} times and killed {self.deaths[child.name]} times"
            for child in self.launcher.children
            if child.starts > self.deaths[child.name] + 1
        ]

    def find_survivors(self) -> list[int]:
        """The ids of processes that still live. Call it after the mesh has stopped."""
        self.pids |= {child.process.pid for child in self.launcher.children if child.process is not None}
        return [pid for pid in self.pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]


@contextlib.asynccontextmanager
async def run_mesh(settings: Mapping[str, str]) -> AsyncIterator[Mesh]:
    """Run a mesh with two payment services and short holds; it is ready inside. `remove_folder` removes its folder."""
    folder = Path(tempfile.mkdtemp(prefix="tutormesh-chaos-"))
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_NOT_INHERITED) and not name.endswith("_REPLICAS")
    }
    own = {"TUTORMESH_DATA": str(folder / "data"), "TUTORMESH_PORT_BASE": str(reserve_ports()), "PAYMENT_REPLICAS": "2"}
    layout = Layout(ROOT, {**kept, **own, **RULES, **settings})
    layout.data.mkdir()
    (layout.data / "demo.loaded").touch()
    journal, stopping = _LogConsole(folder / "log"), asyncio.Event()
    launcher = Launcher(layout, journal)
    task = asyncio.create_task(launcher.run(stopping))
    mesh = Mesh(folder, layout, launcher)
    try:
        await _wait_until_ready(task, journal)
        yield mesh
    finally:
        stopping.set()
        await asyncio.wait([task])
        for watch in mesh._watches:
            watch.cancel()
        journal.close()
    await task


def remove_folder(mesh: Mesh) -> None:
    """Remove the log and the data of a stopped mesh."""
    shutil.rmtree(mesh.folder, ignore_errors=True)


async def _wait_until_ready(task: asyncio.Task[None], journal: _LogConsole) -> None:
    ready = asyncio.create_task(journal.ready.wait())
    await asyncio.wait({task, ready}, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        ready.cancel()
        if task.done():
            await task
        raise TimeoutError(f"the mesh is not ready after {START_SECONDS} s")


async def _is_listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
