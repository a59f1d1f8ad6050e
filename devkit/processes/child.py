"""A child process that is started again whenever it dies, and that dies with this process."""

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

from devkit.processes.console import Console
from devkit.processes.exits import wait_for_exit
from devkit.processes.lifetime import bind_to_parent

#: Seconds between two starts, at least. A process that lived longer is started again at once.
START_INTERVAL = 0.5

#: What a child can write in a pause of the console without waiting for us: 5 MB a second. Linux gives 64 KB unasked.
PIPE_BYTES = 512 * 1024

TERM_THEN_KILL = (signal.SIGTERM, signal.SIGKILL)


def python(module: str, *arguments: str) -> list[str]:
    """The command line that runs one of our modules."""
    return [sys.executable, "-m", module, *arguments]


@dataclass
class Child:
    """One child process: what to run, and how.

    | field | meaning |
    |---|---|
    | `before_exec` | runs in the child, between fork and exec |
    | `prepare` | runs in this process, before each start |
    | `stops` | the signals that `stop` sends, in order |
    | `is_hopeless` | tells by an exit code that another start would fail too |
    | `gave_up` | true once the child ended with a hopeless exit code |
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    console: Console
    folder: Path
    before_exec: Callable[[], None] | None = None
    prepare: Callable[[], None] = lambda: None
    stops: Sequence[signal.Signals] = TERM_THEN_KILL
    is_hopeless: Callable[[int], bool] = lambda _: False
    gave_up: bool = field(default=False, init=False)
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    starts: int = field(default=0, init=False)
    _keeper: asyncio.Task[None] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start the process now, and again whenever it dies, until it gives up."""
        self._keeper = asyncio.create_task(self._keep_alive())

    async def wait_until_given_up(self) -> None:
        """Return once the child ended with a hopeless exit code; of one that never does, wait for its stop."""
        if self._keeper is not None:
            await asyncio.wait([self._keeper])

    async def run_once(self) -> int:
        """Run the process to its end and return its exit code. Cancelling kills it."""
        try:
            self._spawn()
            return await self._wait_for_end()
        finally:
            self._kill()

    async def stop(self, seconds: float) -> None:
        """Stop the process: send each signal of `stops`, and wait up to `seconds` after each."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        for how in self.stops:
            if self.process is None or self.process.poll() is not None:
                break
            if how is signal.SIGKILL:
                self.console.say(self.name, f"did not stop in {seconds:.0f} s: killed")
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(how)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wait_for_end(), seconds)
        self._kill()

    async def _keep_alive(self) -> None:
        while not self.gave_up:
            born = time.monotonic()
            try:
                self._spawn()
                code = await self._wait_for_end()
                self._kill()
                how, self.gave_up = _describe_exit(code), self.is_hopeless(code)
            except Exception as error:  # prepare and exec can raise anything; the next try may succeed
                how = f"could not start: {error}"
            self.console.say(self.name, how if self.gave_up else f"{how}; starting again")
            if not self.gave_up:
                await asyncio.sleep(max(0.0, START_INTERVAL - (time.monotonic() - born)))

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
            pipesize=PIPE_BYTES,
            start_new_session=True,  # a terminal's Ctrl-C must not reach the child: `stop` has an order to keep
            preexec_fn=self.before_exec or bind_to_parent(),
        )
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self._listen(self.process)

    async def _wait_for_end(self) -> int:
        assert self.process is not None
        code = await wait_for_exit(self.process)
        self._pass_on(self.process)
        return code

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        """Print what the process writes next, and what it writes in the pause that follows after the pause."""
        pipe, loop = process.stdout, asyncio.get_running_loop()
        if pipe is None or pipe.closed:
            return

        def pass_on() -> None:
            loop.remove_reader(pipe)
            self._pass_on(process)
            loop.call_later(self.console.pause, self._listen, process)

        loop.add_reader(pipe, pass_on)

    def _pass_on(self, process: subprocess.Popen[bytes]) -> None:
        pipe = process.stdout
        if pipe is None or pipe.closed:
            return
        try:
            chunk = os.read(pipe.fileno(), PIPE_BYTES)
        except BlockingIOError:
            if process.returncode is None:
                return
            chunk = b""  # the child is dead, and a process that it started keeps the pipe open
        self.console.pass_on(self.name, chunk, end=not chunk)
        if not chunk:
            asyncio.get_running_loop().remove_reader(pipe.fileno())
            pipe.close()

    def _kill(self) -> None:
        """Kill the child's process group: the child and what it started."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        while self.process.stdout is not None and not self.process.stdout.closed:
            self._pass_on(self.process)


def _describe_exit(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
