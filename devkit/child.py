"""A process that is kept alive until it is told to stop, and that cannot outlive us."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devkit.console import Console
from devkit.fate import bound_to_us

#: A process that dies at once is started twice a second, no hotter; one that has lived is started again at once.
SHORTEST_LIFE = 0.5
_LOOK_EVERY = 0.05

POLITELY = (signal.SIGTERM, signal.SIGKILL)


def python(module: str, *arguments: str) -> list[str]:
    """The command line of one of our own modules."""
    return [sys.executable, "-m", module, *arguments]


@dataclass
class Child:
    """One process: what to run, and how. `prepare` runs before each start, here; `stops` are tried in order.

    `hopeless` says of an exit code that starting again would be no use; the process `gave_up` then.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    console: Console
    folder: Path
    before_exec: Callable[[], None] | None = None
    prepare: Callable[[], None] = lambda: None
    stops: Sequence[signal.Signals] = POLITELY
    hopeless: Callable[[int], bool] = lambda _: False
    gave_up: bool = field(default=False, init=False)
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    starts: int = field(default=0, init=False)
    _keeper: asyncio.Task[None] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it now, and again whenever it dies, unless that is hopeless."""
        self._keeper = asyncio.create_task(self._keep_alive())

    async def once(self) -> int:
        """Run it to its end and give its exit code; cancelling ends it."""
        try:
            self._spawn()
            return await self._ended()
        finally:
            self._kill()

    async def stop(self, patience: float) -> None:
        """Stop it: each signal has `patience` seconds, the last (SIGKILL) needs none."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        for how in self.stops:
            if self.process is None or self.process.poll() is not None:
                break
            if how is signal.SIGKILL:
                self.console.say(self.name, f"did not stop in {patience:.0f} s: killed")
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(how)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended(), patience)
        self._kill()

    async def _keep_alive(self) -> None:
        while not self.gave_up:
            born = time.monotonic()
            try:
                self._spawn()
                code = await self._ended()
                self._kill()
                how, self.gave_up = _meaning(code), self.hopeless(code)
            except Exception as error:  # whatever prepare and exec can raise: said, and tried again
                how = f"could not start: {error}"
            self.console.say(self.name, how if self.gave_up else f"{how}; starting again")
            await asyncio.sleep(max(0.0, SHORTEST_LIFE - (time.monotonic() - born)))

    def _spawn(self) -> None:
        self.starts += 1
        self.prepare()
        self.process = subprocess.Popen(  # noqa: S603 - a table of our own programs
            self.argv,
            env=dict(self.environment),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the terminal's Ctrl-C is ours to pass on, in order
            preexec_fn=self.before_exec or bound_to_us(),
        )
        assert self.process.stdout is not None
        out = self.process.stdout.fileno()
        os.set_blocking(out, False)
        asyncio.get_running_loop().add_reader(out, self._pass_on, self.process)

    async def _ended(self) -> int:
        assert self.process is not None
        while (code := self.process.poll()) is None:  # noqa: ASYNC110 - the portable ways to be told need threads
            await asyncio.sleep(_LOOK_EVERY)
        self._pass_on(self.process)
        return code

    def _pass_on(self, process: subprocess.Popen[bytes]) -> None:
        pipe = process.stdout
        if pipe is None or pipe.closed:
            return
        try:
            chunk = os.read(pipe.fileno(), 65536)
        except BlockingIOError:
            if process.returncode is None:
                return
            chunk = b""  # dead, and what it started keeps the pipe open
        self.console.pass_on(self.name, chunk, end=not chunk)
        if not chunk:
            asyncio.get_running_loop().remove_reader(pipe.fileno())
            pipe.close()

    def _kill(self) -> None:
        """Its whole group: also what it started itself."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        while self.process.stdout is not None and not self.process.stdout.closed:
            self._pass_on(self.process)


def _meaning(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
