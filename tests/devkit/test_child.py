"""One process, kept alive until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from devkit.processes.child import Child
from devkit.processes.console import Console
from tests.devkit.stage import ONLY_LINUX, Written, is_alive, until


def child(console: Console, code: str) -> Child:
    return Child("worker", [sys.executable, "-c", code], dict(os.environ), console, Path.cwd())


STAYS = "import time; print('here', flush=True); time.sleep(60)"


async def test_what_is_killed_is_started_again() -> None:
    console = Written()
    worker = child(console, STAYS)
    worker.start()
    await until(lambda: "worker       | here" in console.lines)
    assert worker.process is not None
    first = worker.process.pid
    os.kill(first, signal.SIGKILL)
    await until(lambda: console.lines.count("worker       | here") == 2)
    assert "worker       | killed by SIGKILL; starting again" in console.lines
    await worker.stop(5)
    assert not is_alive(worker.process.pid)


async def test_what_ends_at_once_is_started_twice_a_second_and_no_hotter() -> None:
    console = Written()
    worker = child(console, "raise SystemExit(3)")
    began = time.monotonic()
    worker.start()
    await until(lambda: worker.starts == 4)
    assert time.monotonic() - began > 1.4
    await worker.stop(5)
    assert "worker       | exited with 3; starting again" in console.lines


async def test_what_cannot_be_started_is_said_and_tried_again() -> None:
    console = Written()
    worker = Child("worker", ["/nonexistent/program"], {}, console, Path.cwd())
    worker.start()
    await until(lambda: worker.starts == 2)
    await worker.stop(5)
    assert "could not start" in console.lines[0]


async def test_what_does_not_want_to_stop_is_killed_with_all_it_started(tmp_path: Path) -> None:
    console = Written()
    code = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid, flush=True); time.sleep(60)"
    )
    worker = child(console, code)
    worker.start()
    await until(lambda: bool(console.lines))
    grandchild = int(console.lines[0].rpartition(" ")[2])
    assert is_alive(grandchild)
    await worker.stop(0.2)
    assert worker.process is not None
    assert worker.process.returncode == -signal.SIGKILL
    await until(lambda: not is_alive(grandchild))


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
    await until(lambda: not is_alive(pid))


async def test_run_once_gives_the_exit_code_and_passes_every_line_on() -> None:
    console = Written()
    worker = child(console, "print('one'); print('two', end=''); raise SystemExit(5)")
    assert await worker.run_once() == 5
    assert console.lines == ["worker       | one", "worker       | two"]


async def test_lines_in_pieces_come_out_whole() -> None:
    console = Written()
    console.pass_on("a", b"one\nt")
    console.pass_on("b", b"other\n")
    console.pass_on("a", b"wo\r\nrest")
    assert console.lines == ["a            | one", "b            | other", "a            | two"]
    console.pass_on("a", b"", end=True)
    assert console.lines[-1] == "a            | rest"


async def test_a_reader_that_leaves_does_not_stop_the_mesh() -> None:
    console = Written()
    console.text.close()
    console.say("a", "to nobody")
    console.say("a", "to nobody again")
