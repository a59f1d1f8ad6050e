"""A light load: students book one lesson after the other, and readers read them. Who is told to try again repeats."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from tests.replicas.processes import REPEAT_SECONDS, Order, Processes, lesson_time, wait_until

STUDENTS, READERS = 4, 2
#: Between two reads of a reader: the mesh has little time to spare on the runner's two cores.
READ_SECONDS = 0.1
READ = "query ($id: ID!) { booking(id: $id) { status payment { status } } }"
#: How many tutors the lessons are of, one after the other: each may have forty hours reserved and unpaid.
TUTORS = 20


class Load:
    """The load and its bookings. Every second student pays."""

    def __init__(
        self, mesh: Processes, tutors: Sequence[UUID], pause: float = 0.0, readers: int = 0, read: str = READ
    ) -> None:
        """Students pause for so many seconds between two orders. Readers must always get an answer to `read`."""
        self._mesh, self.tutors = mesh, tutors
        self._pause, self._readers, self._read = pause, readers, read
        self._lessons = ((tutor, lesson_time(hour)) for hour in range(10_000) for tutor in tutors)
        self.booked: dict[Order, dict[str, Any]] = {}
        self.paid: set[Order] = set()
        self.slowest_answer, self.reads = 0.0, 0
        self._enough = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Load]:
        """Students book while inside. At the end each of them finishes the last request."""
        async with asyncio.TaskGroup() as students:
            for number in range(STUDENTS):
                students.create_task(self._student(pays=bool(number % 2)))
            await self.grows(by=STUDENTS)
            for _ in range(self._readers):
                students.create_task(self._reader())
            try:
                yield self
            finally:  # a library can lose the cancel of a student
                self._enough.set()

    async def _student(self, *, pays: bool) -> None:
        while not self._enough.is_set():
            order = await self.one()
            if pays:
                await self.pay(order)
            await asyncio.sleep(self._pause)

    async def _reader(self) -> None:
        """Read one booking after the other with its payment, as its student, which calls booking_svc and payment_svc."""
        while not self._enough.is_set():
            order, booked = random.choice([*self.booked.items()])
            answer = await self._mesh.graphql("student", order.student, self._read, id=booked["booking"]["id"])
            assert "errors" not in answer, answer
            assert answer["data"]["booking"]["payment"]["status"] in ("PENDING", "SUCCEEDED"), answer
            self.reads += 1
            await asyncio.sleep(READ_SECONDS)

    async def one(self) -> Order:
        """Book one more lesson."""
        order = Order(*next(self._lessons))
        while (booked := await self._book_and_time(order)) is None:  # noqa: ASYNC110 - an app has no event for "try again now"
            await asyncio.sleep(REPEAT_SECONDS)
        self.booked[order] = booked
        return order

    async def pay(self, order: Order) -> None:
        self.paid.add(order)
        await self._mesh.pay(self.booked[order]["paymentIntentId"])

    async def grows(self, by: int) -> None:
        """Wait until this many more lessons are booked."""
        so_far = len(self.booked)

        async def now() -> int:
            return len(self.booked)

        await wait_until(now, lambda number: number >= so_far + by, seconds=40)

    async def _book_and_time(self, order: Order) -> dict[str, Any] | None:
        began = time.monotonic()
        booked = await self._mesh.book(order)
        self.slowest_answer = max(self.slowest_answer, time.monotonic() - began)
        return booked

    async def is_sold_once(self) -> None:
        """Assert that each order is one booking with one intent, that paid ones are sold, and that the audit is clean."""
        ask = "select id, student_id, state from saga where tutor_id = any($1)"
        ends = {order.student: "COMPLETED" if order in self.paid else "AWAITING_PAYMENT" for order in self.booked}

        async def states() -> dict[UUID, str]:  # an event that found no service is sent again within five seconds
            return {row["student_id"]: row["state"] for row in await self._mesh.sql("payment", ask, self.tutors)}

        await wait_until(states, lambda now: now == ends)
        await self._mesh.wait_until_quiescent()
        sagas = await self._mesh.sql("payment", ask, self.tutors)
        ask_bookings = "select student_id from booking where tutor_id = any($1)"
        bookings = Counter(row["student_id"] for row in await self._mesh.sql("booking", ask_bookings, self.tutors))
        assert bookings == Counter(order.student for order in self.booked)
        intents = (await self._mesh.sandbox("GET", "state"))["payment_intents"]
        each = Counter(intent["metadata"]["sagaId"] for intent in intents)
        assert all(each[str(row["id"])] == 1 for row in sagas)
        assert (await self._mesh.audit())["breaches"] == []
