"""From one version to the next under load: migrate, start the new process, wait for SERVING, stop the old one."""

from __future__ import annotations

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
#: Callers are updated before the services that they call.
ORDER = {"payment": ("payment.1", "payment.2"), "booking": ("booking",)}


@pytest_asyncio.fixture
async def names(mesh: Processes, tmp_path: Path) -> AsyncIterator[tuple[Names, NextVersion]]:
    """The next version, and the names of its services. The edge calls the services by name, as in a cluster."""
    children = {child.name: child for child in mesh.mesh.launcher.children}
    following = NextVersion(mesh, tmp_path)
    with Names.serving() as served:
        for name in ORDER:
            served.set(name, OLD)
        try:
            await children["bff"].stop(5)
            await following.start("bff", **following.addresses(served))
            await wait_until(lambda: is_ready(mesh))
            yield served, following
        finally:
            mesh.operator_settings.clear()
            for name in ("bff", *(old for group in ORDER.values() for old in group)):
                await children[name].stop(5)
            await following.stop()
            for name in ("booking", "payment.1", "payment.2", "bff"):
                children[name].start()
            await wait_until(lambda: is_ready(mesh))


@pytest.mark.skipif(not os.environ.get("FULL"), reason="it takes half a minute: FULL=1 runs it")
async def test_68_a_rolling_update_with_a_migration_cuts_no_call(
    mesh: Processes, names: tuple[Names, NextVersion]
) -> None:
    served, following = names
    lines_before = len(mesh.mesh.console.lines)
    children = {child.name: child for child in mesh.mesh.launcher.children}
    load, refused = Load(mesh, await mesh.tutors(TUTORS), pause=0.2, readers=READERS), dict(mesh.refusals)
    order = await load.one()
    address = mesh.mesh.layout.address("bff")
    student = mesh.mesh.layout.signer().token("student", subject=str(order.student))
    async with listening(address, student) as listener, load.running():
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
    print(f"{len(load.booked)} bookings, {load.reads} reads, slowest answer {load.slowest_answer:.1f} s")
    assert mesh.refusals == refused
    mesh.operator_settings |= following.addresses(served)
    await load.is_sold_once()
    rows = await mesh.sql("booking", "select next from booking where tutor_id = any($1)", load.tutors)
    by_both = {row["next"] for row in rows}
    assert by_both == {None, "written by the next version"}
