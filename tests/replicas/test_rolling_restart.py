"""One payment_svc after the other is stopped and started while students book: nobody who asks again loses anything."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import pytest_asyncio

from tests.replicas.processes import Processes, Wish, lesson_time, processes, until

STUDENTS = 4


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Processes]:
    async with processes(tmp_path_factory.mktemp("rolling"), PAYMENT_REPLICAS="2") as started:
        yield started


class Load:
    """Students who book one lesson after the other, insisting, and pay every second one."""

    def __init__(self, mesh: Processes, tutor: UUID) -> None:
        self._mesh, self._tutor, self._hours = mesh, tutor, iter(range(1000))
        self.booked: dict[Wish, dict[str, object]] = {}
        self.enough = asyncio.Event()

    async def student(self) -> None:
        while not self.enough.is_set():
            hour = next(self._hours)
            wish = Wish(self._tutor, lesson_time(hour))
            booked = await self._mesh.insist(wish)
            self.booked[wish] = booked
            if hour % 2:
                await self._mesh.pay(str(booked["paymentIntentId"]))

    async def grows(self, by: int) -> None:
        """Until this many more are booked."""
        so_far = len(self.booked)

        async def now() -> int:
            return len(self.booked)

        await until(now, lambda number: number >= so_far + by)


async def restarted(mesh: Processes, name: str) -> None:
    """SIGTERM, and until its successor serves."""
    old, served = mesh.pids[name], mesh.said(name, "serving")
    os.kill(old, signal.SIGTERM)

    async def serves_again() -> bool:
        return mesh.pids[name] != old and mesh.said(name, "serving") > served

    await until(serves_again)
    assert mesh.said(name, "exited with 0; starting again") == 1


async def test_a_rolling_restart_under_load_loses_no_request_that_is_retried(mesh: Processes) -> None:
    load = Load(mesh, await mesh.tutor())
    async with asyncio.TaskGroup() as students:
        for _ in range(STUDENTS):
            students.create_task(load.student())
        await load.grows(by=STUDENTS)
        for name in ("payment.1", "payment.2"):
            await restarted(mesh, name)
            await load.grows(by=2 * STUDENTS)
        load.enough.set()
    print(f"{len(load.booked)} bookings, retried: {mesh.refusals or 'none'}")
    await mesh.at_rest()
    await each_is_booked_once(mesh, load)
    assert (await mesh.audit())["breaches"] == []


async def each_is_booked_once(mesh: Processes, load: Load) -> None:
    bookings = Counter(row["student_id"] for row in await mesh.sql("booking", "select student_id from booking"))
    assert bookings == Counter(wish.student for wish in load.booked)
    intents = Counter(
        intent["metadata"]["sagaId"] for intent in (await mesh.sandbox("GET", "state"))["payment_intents"]
    )
    assert intents == Counter(str(booked["sagaId"]) for booked in load.booked.values())
    sagas = await mesh.sql("payment", "select state from saga")
    assert {row["state"] for row in sagas} == {"AWAITING_PAYMENT", "COMPLETED"}
