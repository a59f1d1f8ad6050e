"""From one version to the next under load: migrate, start the new process, wait for SERVING, stop the old one.

All five services that speak gRPC are updated, then the edge. What stands in front of the edge is played by the test: it
sends people to the new edge before the old one is stopped.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.bff.live import listening
from tests.name_server import Names
from tests.replicas.load import READERS, STUDENTS, TUTORS, Load
from tests.replicas.next_version import NextVersion, is_ready
from tests.replicas.processes import Processes, wait_until

OLD, NEW = "127.0.0.1", "127.0.0.2"
#: The processes of each service. Callers are updated before the services that they call.
ORDER = {
    "payment": ("payment.1", "payment.2"),
    "booking": ("booking",),
    "availability": ("availability",),
    "session": ("session",),
    "learning": ("learning",),
}
#: A read that calls booking, payment, session and learning. Students call availability.
READ = """query ($id: ID!) {
  booking(id: $id) { status payment { status } } getMySessions(first: 1) { nodes { id } } courses(first: 1) { nodes { id } }
}"""


@pytest_asyncio.fixture
async def names(
    mesh: Processes, tmp_path: Path
) -> AsyncIterator[tuple[Names, NextVersion, asyncio.subprocess.Process]]:
    """The next version, the names of its services, and an edge that calls them by these names, as in a cluster."""
    children = {child.name: child for child in mesh.mesh.launcher.children}
    following, old = NextVersion(mesh, tmp_path), [name for group in ORDER.values() for name in group]
    with Names.serving() as served:
        for name in ORDER:
            served.set(name, OLD)
        try:
            await children["bff"].stop(5)
            edge = await following.start("bff", **following.addresses(served))
            await wait_until(lambda: is_ready(mesh))
            yield served, following, edge
        finally:
            mesh.operator_settings.clear()
            mesh.edge = mesh.mesh.layout.url("bff")
            for name in ("bff", *old):
                await children[name].stop(5)
            await following.stop()
            for name in (*reversed(old), "bff"):
                children[name].start()
            await wait_until(lambda: is_ready(mesh))


@pytest.mark.skipif(not os.environ.get("FULL"), reason="it takes a minute: FULL=1 runs it")
async def test_68_a_rolling_update_with_a_migration_cuts_no_call(
    mesh: Processes, names: tuple[Names, NextVersion, asyncio.subprocess.Process]
) -> None:
    served, following, edge = names
    lines_before = len(mesh.mesh.console.lines)
    children = {child.name: child for child in mesh.mesh.launcher.children}
    load = Load(mesh, await mesh.tutors(TUTORS), pause=0.2, readers=READERS, read=READ)
    refused, order = dict(mesh.refusals), await load.one()
    address = mesh.mesh.layout.address("bff")
    student = mesh.mesh.layout.signer().token("student", subject=str(order.student))
    async with load.running():
        async with listening(address, student) as listener:
            await listener.subscribe(load.booked[order]["booking"]["id"])
            assert await listener.status() == "PAYMENT_REQUIRED"
            await following.migrate()
            await load.grows(by=STUDENTS)
            for name, replicas in ORDER.items():
                await following.start_serving(name, NEW, **following.addresses(served))
                served.set(name, OLD, NEW)
                for old in replicas:
                    await children[old].stop(8)
                    assert "did not stop" not in "".join(mesh.mesh.console.lines[lines_before:])
                served.set(name, NEW)
                await load.grows(by=STUDENTS)
            await load.pay(order)
            assert await listener.status() == "CONFIRMED"
        await update_edge(mesh, served, following, edge)
        await load.grows(by=STUDENTS)
    print(f"{len(load.booked)} bookings, {load.reads} reads, slowest answer {load.slowest_answer:.1f} s")
    assert mesh.refusals == refused
    mesh.operator_settings |= following.addresses(served)
    await load.is_sold_once()
    rows = await mesh.sql("booking", "select next from booking where tutor_id = any($1)", load.tutors)
    by_both = {row["next"] for row in rows}
    assert by_both == {None, "written by the next version"}


async def update_edge(mesh: Processes, served: Names, following: NextVersion, old: asyncio.subprocess.Process) -> None:
    """Start the next edge, wait until it is ready, send people there, stop the old one: it answers whom it still serves.

    The sandbox knows one address. So another edge starts there afterwards, and the sandbox repeats its events.
    """
    await following.start("bff", HOST=NEW, **following.addresses(served))
    edge = f"http://{NEW}:{mesh.mesh.layout.port('bff')}"
    await wait_until(lambda: is_ready(mesh, edge))
    mesh.edge = edge
    old.terminate()
    assert await asyncio.wait_for(old.wait(), 15) == 0
    await following.start("bff", **following.addresses(served))
    await wait_until(lambda: is_ready(mesh, mesh.mesh.layout.url("bff")))
