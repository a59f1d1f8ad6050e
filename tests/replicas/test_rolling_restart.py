"""One payment_svc after the other restarts while students book. A student who repeats the request loses nothing."""

from __future__ import annotations

import os
import signal

from tests.replicas.load import STUDENTS, TUTORS, Load
from tests.replicas.processes import Processes, wait_until


async def restart(mesh: Processes, name: str) -> None:
    """Stop a process by SIGTERM, and wait until its successor serves."""
    old, served = mesh.pids[name], mesh.count_lines(name, "serving")
    os.kill(old, signal.SIGTERM)

    async def serves_again() -> bool:
        return mesh.pids[name] != old and mesh.count_lines(name, "serving") > served

    await wait_until(serves_again)
    assert mesh.count_lines(name, "exited with 0; starting again") == 1


async def test_a_rolling_restart_under_load_loses_no_request_that_is_retried(mesh: Processes) -> None:
    load = Load(mesh, await mesh.tutors(TUTORS))
    async with load.running():
        for name in ("payment.1", "payment.2"):
            await restart(mesh, name)
            await load.grows(by=STUDENTS)
    print(f"{len(load.booked)} bookings, asked again: {mesh.refusals}, slowest answer {load.slowest_answer:.1f} s")
    await load.is_sold_once()
