"""The database goes away while lessons are sold: nothing crashes, every error is typed, everything resumes by itself.

Five seconds by default; FULL=1 in the environment makes it sixty.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable

import asyncpg
import psutil
import pytest
import pytest_asyncio

from devkit.processes.child import Child
from tests.replicas.load import STUDENTS, TUTORS, Load
from tests.replicas.processes import Processes, processes, wait_until

AWAY_SECONDS = 60.0 if os.environ.get("FULL") else 5.0
#: What only stands still is borne for as long as a call may take; it is to be away for longer.
STALLED_SECONDS = max(AWAY_SECONDS, 9.0)
#: The contract's: every GraphQL call answers within this.
ANSWER_SECONDS = 10.0
Outage = Callable[[Processes], contextlib.AbstractAsyncContextManager[None]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Processes]:
    async with processes(tmp_path_factory.mktemp("away"), PAYMENT_REPLICAS="2") as started:
        yield started


def server_of(mesh: Processes) -> Child:
    (server,) = (child for child in mesh.mesh.launcher.children if child.name == "postgres")
    return server


@contextlib.asynccontextmanager
async def kill_server(mesh: Processes) -> AsyncIterator[None]:
    """Kill the server and all its backends with -9. At the end start it again: it recovers from its log."""
    server = server_of(mesh)
    stops, server.stops = server.stops, (signal.SIGKILL,)
    await server.stop(5)
    server.stops = stops
    try:
        yield
    finally:
        server.start()
        await wait_until(lambda: has_reconnected(mesh))


@contextlib.asynccontextmanager
async def stall_server(mesh: Processes) -> AsyncIterator[None]:
    """Stop the server and its backends: the kernel still accepts connections, and no query is answered."""
    server = server_of(mesh)
    assert server.process is not None
    family = [psutil.Process(server.process.pid), *psutil.Process(server.process.pid).children()]
    for process in family:
        process.suspend()
    try:
        yield
    finally:
        for process in family:
            process.resume()
        await wait_until(lambda: has_reconnected(mesh))


async def has_reconnected(mesh: Processes) -> bool:
    try:
        async with asyncio.timeout(5):
            await mesh.connect()
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return False
    return True


async def mesh_readiness(mesh: Processes) -> dict[str, str]:
    """What /readyz says of each service."""
    answer = (await mesh.http.get(f"{mesh.mesh.layout.url('bff')}/readyz")).json()
    assert answer["ready"] is (set(answer["services"].values()) == {"SERVING"})
    return dict(answer["services"])


async def let_time_pass(mesh: Processes, seconds: float) -> None:
    """Wait so long, and check that every process is still running."""
    before, end = services(mesh), time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.sleep(0.1)
        assert services(mesh) == before


def services(mesh: Processes) -> dict[str, int]:
    return {name: pid for name, pid in mesh.pids.items() if name != "postgres"}


@pytest.mark.parametrize(("outage", "seconds"), [(kill_server, AWAY_SECONDS), (stall_server, STALLED_SECONDS)])
async def test_while_the_database_is_away_nothing_crashes_and_afterwards_everything_resumes(
    mesh: Processes, outage: Outage, seconds: float
) -> None:
    before, mesh.refusals = services(mesh), {}
    load = Load(mesh, await mesh.tutors(TUTORS))
    async with load.running():
        waiting = [await load.one() for _ in range(3)]
        async with outage(mesh):
            await asyncio.gather(*(load.pay(wish) for wish in waiting))  # their webhooks find no database
            await let_time_pass(mesh, seconds)
            assert set((await mesh_readiness(mesh)).values()) == {"DATABASE_AWAY"}
        back = time.monotonic()
        await asyncio.gather(*(mesh.until_state(wish, "COMPLETED", 40) for wish in waiting))
        resumed = time.monotonic() - back
        await load.grows(by=STUDENTS)
    print(
        f"{len(load.booked)} bookings, asked again: {mesh.refusals}, slowest answer {load.slowest_answer:.1f} s,"
        f" {len(waiting)} paid meanwhile: complete {resumed:.1f} s after the return"
    )
    assert mesh.refusals
    assert load.slowest_answer < ANSWER_SECONDS
    assert services(mesh) == before
    await wait_until(lambda: mesh_readiness(mesh), lambda services: set(services.values()) == {"SERVING"})
    alerts = [line for line in mesh.mesh.console.lines if "database_unwell" in line and "cause=away" in line]
    assert len({line.split("|")[0] for line in alerts}) >= 5 and all("alert=true" in line for line in alerts)
    crashes = "\n".join(line for line in mesh.mesh.console.lines if "_crashed" in line)
    assert crashes == ""
    await load.is_sold_once()
