"""A child process is kept alive until it is stopped."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
import time
from pathlib import Path

from devkit.processes.child import Child
from devkit.processes.console import Console
from tests.devkit.fake_mesh import ONLY_LINUX, RecordingConsole, is_alive, wait_until


def child(console: Console, code: str) -> Child:
    return Child("worker", [sys.executable, "-c", code], dict(os.environ), console, Path.cwd())


STAYS = "import time; print('here', flush=True); time.sleep(60)"


async def test_a_killed_child_is_started_again() -> None:
    console = RecordingConsole()
    worker = child(console, STAYS)
    worker.start()
    await wait_until(lambda: "worker       | here" in console.lines)
    assert worker.process is not None
    first = worker.process.pid
    os.kill(first, signal.SIGKILL)
    await wait_until(lambda: console.lines.count("worker       | here") == 2)
    assert "worker       | killed by SIGKILL; starting again" in console.lines
    await worker.stop(5)
    assert not is_alive(worker.process.pid)


async def test_a_child_that_ends_at_once_is_started_at_most_twice_a_second() -> None:
    console = RecordingConsole()
    worker = child(console, "raise SystemExit(3)")
    began = time.monotonic()
    worker.start()
    await wait_until(lambda: worker.starts >= 4)
    assert time.monotonic() - began > 1.4
    await worker.stop(5)
    assert "worker       | exited with 3; starting again" in console.lines


async def test_a_child_that_cannot_start_is_reported_and_tried_again() -> None:
    console = RecordingConsole()
    worker = Child("worker", ["/nonexistent/program"], {}, console, Path.cwd())
    worker.start()
    await wait_until(lambda: worker.starts >= 2)
    await worker.stop(5)
    assert "could not start" in console.lines[0]


async def test_a_child_that_ignores_sigterm_is_killed_with_its_own_children(tmp_path: Path) -> None:
    console = RecordingConsole()
    code = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid, flush=True); time.sleep(60)"
    )
    worker = child(console, code)
    worker.start()
    await wait_until(lambda: bool(console.lines))
    grandchild = int(console.lines[0].rpartition(" ")[2])
    assert is_alive(grandchild)
    await worker.stop(0.2)
    assert worker.process is not None
    assert worker.process.returncode == -signal.SIGKILL
    await wait_until(lambda: not is_alive(grandchild))


@ONLY_LINUX
async def test_a_child_ends_when_its_launcher_is_killed() -> None:
    code = (
        "import asyncio, sys, os, pathlib\n"
        "from devkit.processes.child import Child\nfrom devkit.processes.console import Console\n"
        "async def main():\n"
        "    c = Child('w', [sys.executable, '-c', 'import time; time.sleep(60)'], {}, Console(), pathlib.Path.cwd())\n"
        "    c.start()\n"
        "    while c.process is None: await asyncio.sleep(0.01)\n"
        "    print(c.process.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    launcher = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert launcher.stdout is not None
    pid = int(await launcher.stdout.readline())
    assert is_alive(pid)
    launcher.kill()
    await launcher.wait()
    await wait_until(lambda: not is_alive(pid))


async def test_run_once_returns_the_exit_code_and_prints_every_line() -> None:
    console = RecordingConsole()
    worker = child(console, "print('one'); print('two', end=''); raise SystemExit(5)")
    assert await worker.run_once() == 5
    assert console.lines == ["worker       | one", "worker       | two"]


class CountingConsole(RecordingConsole):
    """A console that counts how often it is given something to print."""

    times = 0

    def pass_on(self, name: str, chunk: bytes, *, end: bool = False) -> None:
        self.times += 1
        super().pass_on(name, chunk, end=end)


async def test_what_a_child_writes_is_gathered_and_its_end_waits_for_no_pause() -> None:
    console = CountingConsole()
    console.pause = 60.0
    worker = child(console, "for number in range(100): print(number, flush=True)")
    assert await asyncio.wait_for(worker.run_once(), 20) == 0
    assert console.lines == [f"worker       | {number}" for number in range(100)]
    assert console.times <= 3, "the first lines, the others once the child has ended, and the end of its output"


@ONLY_LINUX
async def test_a_child_does_not_wait_for_the_pause_of_the_console() -> None:
    console = RecordingConsole()
    console.pause = 60.0
    worker = child(console, "for _ in range(4000): print('x' * 99, flush=True)")
    assert await asyncio.wait_for(worker.run_once(), 20) == 0
    assert len(console.lines) == 4000


async def test_at_a_terminal_lines_do_not_wait() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert Console(Terminal()).pause == 0.0
    assert Console(io.StringIO()).pause > 0.0


async def test_a_line_that_arrives_in_pieces_is_printed_whole() -> None:
    console = RecordingConsole()
    console.pass_on("a", b"one\nt")
    console.pass_on("b", b"other\n")
    console.pass_on("a", b"wo\r\nrest")
    assert console.lines == ["a            | one", "b            | other", "a            | two"]
    console.pass_on("a", b"", end=True)
    assert console.lines[-1] == "a            | rest"


async def test_the_console_survives_a_reader_that_has_gone() -> None:
    console = RecordingConsole()
    console.text.close()
    console.say("a", "to nobody")
    console.say("a", "to nobody again")
