"""`tutormesh audit` beside many sales: of what a few lessons have changed, and of everything."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.mesh import ROOT, Mesh
from mesh import calls, clock
from ops.audit.changes import read_marks
from ops.audit.mark import Mark, keep_mark
from ops.environment import addresses, credentials
from ops.peers import open_peers

#: How often the memory of an audit is looked at.
LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Audited:
    """How long an audit took, and the most memory that it had."""

    seconds: float
    megabytes: float


async def keep_mark_of_now(mesh: Mesh) -> None:
    """As if everything had just been audited."""
    environ, now = _environment(mesh), clock.now().timestamp()
    with calls.background():
        async with open_peers(addresses(environ), credentials(environ)) as peers:
            await keep_mark(peers, Mark(await read_marks(peers), (), now, now))


async def audit(mesh: Mesh, *words: str) -> Audited:
    """Run the command. Raises RuntimeError unless it is clean."""
    return await asyncio.to_thread(_run, [sys.executable, "-m", "ops", "audit", *words], _environment(mesh))


def _run(command: list[str], environ: dict[str, str]) -> Audited:
    began, most = time.perf_counter(), 0
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own command
    while process.poll() is None:
        most = max(most, _most_kilobytes(process.pid))
        time.sleep(LOOK_SECONDS)
    seconds = time.perf_counter() - began
    assert process.stdout is not None
    if process.returncode:
        raise RuntimeError(f"the audit ended with {process.returncode}: {process.stdout.read()[-2000:]}")
    return Audited(seconds, most / 1024)


def _most_kilobytes(pid: int) -> int:
    """The most memory that a process has had since it began its program; 0 when it has ended.

    `ru_maxrss` would begin with the memory of this process, from which it was forked.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def _environment(mesh: Mesh) -> dict[str, str]:
    base = mesh.layout.settings["TUTORMESH_PORT_BASE"]
    return {**os.environ, "TUTORMESH_DATA": str(mesh.layout.data), "TUTORMESH_PORT_BASE": base}
