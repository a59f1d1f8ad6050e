"""`tutormesh audit` beside many sales: of what a few lessons have changed, and of everything."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import dataclass

from bench.mesh import ROOT, Mesh
from mesh import calls, clock
from ops.audit.changes import read_marks
from ops.audit.mark import Mark, keep_mark
from ops.environment import addresses, credentials
from ops.peers import open_peers


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
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own command
    assert process.stdout is not None
    told = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)  # its own memory, not that of every child
    if status:
        raise RuntimeError(f"the audit ended with {os.waitstatus_to_exitcode(status)}: {told[-2000:]}")
    return Audited(time.perf_counter() - began, used.ru_maxrss / 1024)


def _environment(mesh: Mesh) -> dict[str, str]:
    base = mesh.layout.settings["TUTORMESH_PORT_BASE"]
    return {**os.environ, "TUTORMESH_DATA": str(mesh.layout.data), "TUTORMESH_PORT_BASE": base}
