"""A light load: students who book one lesson after the other, and ask again, under the same key, until they have it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from tests.replicas.processes import Processes, Wish, lesson_time, until

STUDENTS = 4


class Load:
    """Every second lesson is paid."""

    def __init__(self, mesh: Processes, tutor: UUID) -> None:
        self._mesh, self._tutor, self._hours = mesh, tutor, iter(range(10_000))
        self.booked: dict[Wish, dict[str, Any]] = {}
        self.paid: set[Wish] = set()
        self.slowest_answer = 0.0
        self._enough = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Load]:
        """Students are at work within; each gets what they last asked for."""
        async with asyncio.TaskGroup() as students:
            for number in range(STUDENTS):
                students.create_task(self._student(pays=bool(number % 2)))
            await self.grows(by=STUDENTS)
            yield self
            self._enough.set()

    async def _student(self, *, pays: bool) -> None:
        while not self._enough.is_set():
            wish = await self.one()
            if pays:
                await self.pay(wish)

    async def one(self) -> Wish:
        """One more booking."""
        wish = Wish(self._tutor, lesson_time(next(self._hours)))
        while (booked := await self._timed(wish)) is None:  # noqa: ASYNC110 - nobody tells an app when to ask again
            await asyncio.sleep(0.2)
        self.booked[wish] = booked
        return wish

    async def pay(self, wish: Wish) -> None:
        self.paid.add(wish)
        await self._mesh.pay(self.booked[wish]["paymentIntentId"])

    async def grows(self, by: int) -> None:
        """Until this many more are booked."""
        so_far = len(self.booked)

        async def now() -> int:
            return len(self.booked)

        await until(now, lambda number: number >= so_far + by, seconds=40)

    async def _timed(self, wish: Wish) -> dict[str, Any] | None:
        began = time.monotonic()
        booked = await self._mesh.book(wish)
        self.slowest_answer = max(self.slowest_answer, time.monotonic() - began)
        return booked

    async def is_sold_once(self) -> None:
        """Every wish is one booking with one intent; what was paid is a lesson; the operator's audit finds no fault."""
        ask = "select id, student_id, state from saga where tutor_id = $1"
        ends = {wish.student: "COMPLETED" if wish in self.paid else "AWAITING_PAYMENT" for wish in self.booked}

        async def states() -> dict[UUID, str]:  # an event that found nobody comes again within five seconds
            return {row["student_id"]: row["state"] for row in await self._mesh.sql("payment", ask, self._tutor)}

        await until(states, lambda now: now == ends)
        await self._mesh.at_rest()
        sagas = await self._mesh.sql("payment", ask, self._tutor)
        ask_bookings = "select student_id from booking where tutor_id = $1"
        bookings = Counter(row["student_id"] for row in await self._mesh.sql("booking", ask_bookings, self._tutor))
        assert bookings == Counter(wish.student for wish in self.booked)
        intents = (await self._mesh.sandbox("GET", "state"))["payment_intents"]
        each = Counter(intent["metadata"]["sagaId"] for intent in intents)
        assert all(each[str(row["id"])] == 1 for row in sagas)
        assert (await self._mesh.audit())["breaches"] == []
