"""One payment_svc after the other restarts while people book, pay and read. Nobody is told to try again.

Two processes share the port of payment_svc. FULL=1 restarts them fifty times, the gate five times.
"""

from __future__ import annotations

import os
import signal

from tests.replicas.load import READERS, STUDENTS, TUTORS, Load
from tests.replicas.processes import Processes, wait_until

RESTARTS = 50 if os.environ.get("FULL") else 5
NAMES = ("payment.1", "payment.2")
ENDED = "exited with 0; starting again"


async def restart(mesh: Processes, name: str) -> None:
    """Stop a process by SIGTERM, and wait until its successor serves."""
    old, served, ended = mesh.pids[name], mesh.count_lines(name, "serving"), mesh.count_lines(name, ENDED)
    os.kill(old, signal.SIGTERM)

    async def serves_again() -> bool:
        return mesh.pids[name] != old and mesh.count_lines(name, "serving") > served

    await wait_until(serves_again, seconds=60)
    assert mesh.count_lines(name, ENDED) == ended + 1


def failures(mesh: Processes) -> list[str]:
    """The lines of the log about calls that failed."""
    words = (
        "peer_failed",
        "code=UNAVAILABLE",
        "code=CANCELLED",
        "not_opened_in_time",
        "UNAVAILABLE:",
        "database_unwell",
    )
    return [line for line in mesh.mesh.console.lines if any(word in line for word in words)]


async def test_68_rolling_restarts_under_load_cut_no_call(mesh: Processes) -> None:
    tutors = await mesh.tutors(TUTORS * (1 + RESTARTS // 10))
    load, refused = Load(mesh, tutors, pause=0.2, readers=READERS), dict(mesh.refusals)
    async with load.running():
        for number in range(RESTARTS):
            await restart(mesh, NAMES[number % len(NAMES)])
            await load.grows(by=STUDENTS)
            assert mesh.refusals == refused, f"after {number + 1} restarts:\n" + "\n".join(failures(mesh))
    print(
        f"{RESTARTS} restarts, {len(load.booked)} bookings, {load.reads} reads, slowest answer {load.slowest_answer:.1f} s"
    )
    await load.is_sold_once()
