"""A mesh of its own, in a folder of its own, whose processes can be killed; and who was dead when."""

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

from devkit.chaos.crashes import unforeseen
from devkit.databases import embedded, urls
from devkit.launcher import Launcher
from devkit.layout import HOST, PROGRAMS, Layout
from devkit.ports import free_base
from devkit.processes.child import Child
from devkit.processes.console import Console

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90
#: Of the caller's environment nothing that would make it another mesh.
_NOT_OURS = (
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
#: Short holds; policies under which some of the lessons give half back, some all, and courses half; and an own
#: reconcile that comes round within a run, for nobody gives the command.
RULES = {
    "RECONCILE_SECONDS": "5",
    "HOLD_MINUTES": "0.2",
    "HOLD_GRACE_SECONDS": "1",
    "CANCELLATION_POLICY": "72h:100,2h:50",
    "ENROLLMENT_POLICY": "1h:50",
}


class _Journal(Console):
    """A console that writes into a file and hears when the mesh is ready."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w")
        super().__init__(self._file)
        self.ready = asyncio.Event()

    def plain(self, line: str) -> None:
        super().plain(f"{time.strftime('%H:%M:%S', time.gmtime())} {line}" if line else line)
        if line == "ready":
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
        """What every process wrote."""
        return self.folder / "log"

    @property
    def environment(self) -> dict[str, str]:
        """What an operator's command needs to find this mesh."""
        return dict(self.layout.settings)

    def database(self, program: str) -> str:
        """The URL of a service's database, for asyncpg."""
        return urls(embedded(self.layout).url())[program].replace("+asyncpg", "", 1)

    def alive(self, program: str) -> list[Child]:
        """The processes of a program that live now, replicas too."""
        return [
            child
            for child in self.launcher.children
            if child.name.split(".")[0] == program and child.process is not None and child.process.poll() is None
        ]

    def kill(self, program: str, pick: float = 0.0, how: signal.Signals = signal.SIGKILL) -> int | None:
        """End one process of a program, of this mesh alone; its id, None when none lives."""
        living = self.alive(program)
        if not living:
            return None
        child = living[int(pick * len(living))]
        assert child.process is not None
        pid = child.process.pid
        self.pids.add(pid)
        self.deaths[child.name] += 1
        child.process.send_signal(how)
        self._note(program, child, pid)
        return pid

    def replica(self, program: str, lease_owner: str | None) -> float | None:
        """What `kill` picks the process by that signs its leases so ("host:pid:…"); None when it is gone."""
        pids = [child.process.pid for child in self.alive(program) if child.process is not None]
        owner = int(lease_owner.split(":")[1]) if lease_owner else 0
        return (pids.index(owner) + 0.5) / len(pids) if owner in pids else None

    def freeze(self, program: str) -> list[psutil.Process]:
        """Stop a program's processes where they are; for `thaw`."""
        frozen = [psutil.Process(child.process.pid) for child in self.alive(program) if child.process is not None]
        for process in frozen:
            process.suspend()
        return frozen

    def thaw(self, frozen: list[psutil.Process]) -> None:
        """Let them go on, those that live."""
        for process in frozen:
            with contextlib.suppress(psutil.Error):  # also when its id is another's by now
                process.resume()

    def _note(self, program: str, child: Child, pid: int) -> None:
        down = _Down(program, time.time())
        self._downs.append(down)
        task = asyncio.create_task(self._watch(down, child, pid))
        self._watches.add(task)
        task.add_done_callback(self._watches.discard)

    async def _watch(self, down: _Down, child: Child, pid: int) -> None:
        """Until its successor takes connections; PostgreSQL's and a replica's are not looked at."""
        while child.process is None or child.process.pid == pid:  # noqa: ASYNC110 - a process has no event for it
            await asyncio.sleep(0.02)
        while down.program in PROGRAMS and not await _listens(self.layout.port(down.program)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        down.until = time.time()

    def was_down(self, program: str, since: float) -> bool:
        """True when a program was dead at a moment between then and now."""
        return any(down.program == program and (down.until is None or down.until >= since) for down in self._downs)

    def uncalled_deaths(self) -> list[str]:
        """Programs that were started more often than they were killed."""
        return [
            f"{child.name} was started {child.starts} times and killed {self.deaths[child.name]} times"
            for child in self.launcher.children
            if child.starts > self.deaths[child.name] + 1
        ]

    def crashes(self) -> list[str]:
        """What the log says of errors that nobody foresaw."""
        with self.log.open(errors="replace") as lines:
            return unforeseen(lines)

    def left_alive(self) -> list[int]:
        """Processes of this mesh that still live; for after its end."""
        self.pids |= {child.process.pid for child in self.launcher.children if child.process is not None}
        return [pid for pid in self.pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]


@contextlib.asynccontextmanager
async def running(settings: Mapping[str, str]) -> AsyncIterator[Mesh]:
    """A mesh with two payment services and short holds, ready. Its folder stays; `forget` removes it."""
    folder = Path(tempfile.mkdtemp(prefix="tutormesh-chaos-"))
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_NOT_OURS) and not name.endswith("_REPLICAS")
    }
    own = {"TUTORMESH_DATA": str(folder / "data"), "TUTORMESH_PORT_BASE": str(free_base()), "PAYMENT_REPLICAS": "2"}
    layout = Layout(ROOT, {**kept, **own, **RULES, **settings})
    layout.data.mkdir()
    (layout.data / "demo.loaded").touch()
    journal, stopping = _Journal(folder / "log"), asyncio.Event()
    launcher = Launcher(layout, journal)
    task = asyncio.create_task(launcher.run(stopping))
    mesh = Mesh(folder, layout, launcher)
    try:
        await _until_ready(task, journal)
        yield mesh
    finally:
        stopping.set()
        await asyncio.wait([task])
        for watch in mesh._watches:
            watch.cancel()
        journal.close()
    await task


def forget(mesh: Mesh) -> None:
    """Remove what a stopped mesh has written."""
    shutil.rmtree(mesh.folder, ignore_errors=True)


async def _until_ready(task: asyncio.Task[None], journal: _Journal) -> None:
    ready = asyncio.create_task(journal.ready.wait())
    await asyncio.wait({task, ready}, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        ready.cancel()
        if task.done():
            await task
        raise TimeoutError(f"the mesh is not ready after {START_SECONDS} s")


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
