"""What bad days are made of: hooks into what a replica does, and time that passes by SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from mesh.errors import TryAgain
from tests.people import Booked, People, lesson_time, wait_until
from tests.world import Hook
from tutormesh.payment.v1 import payment_pb2
from tutormesh.payment.v1.payment_pb2_grpc import PaymentServiceStub

ALWAYS = 1_000_000


class Meanwhile:
    """A hook: whoever comes to a point first, once `act` is given, waits until it was done."""

    def __init__(self, point: str) -> None:
        self.point = point
        self.act: Callable[[], Awaitable[None]] | None = None

    async def __call__(self, point: str) -> None:
        if point == self.point and self.act is not None:
            act, self.act = self.act, None
            await act()


class ForgetsThePrice:
    """A hook: the first drive's database is away when it commits, and nobody learns again what the slot costs."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, point: str) -> None:
        self.asked += point == "before HoldSlot"
        if point == "before commit" and self.asked == 1:
            raise TryAgain("the database is away")
        if point == "before HoldSlot" and self.asked > 1:
            raise TryAgain("the calendars are locked")


class StallsOne:
    """A hook that stops the first who comes to a point, and with it the renewals of this replica's leases."""

    def __init__(self, point: str) -> None:
        self.point = point
        self.reached, self.go, self.passed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def __call__(self, point: str) -> None:
        is_first = point == self.point and not self.reached.is_set()
        if is_first:
            self.reached.set()
        if is_first or (point == "before renew" and self.reached.is_set()):
            await self.go.wait()
        if self.go.is_set() and point == self.point.replace("before", "after"):
            self.passed.set()


def each(*hooks: Hook) -> Hook:
    async def met(point: str) -> None:
        for hook in hooks:
            await hook(point)

    return met


def alerted(printed: str, event: str) -> bool:
    """True when what was printed holds such a line, and it calls for a person."""
    return any(f" {event} " in line and "alert=true" in line for line in printed.splitlines())


async def sold(people: People) -> Booked:
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "COMPLETED")
    return booked


async def row_of(people: People, saga_id: str) -> list[Any]:
    return await people.world.sql("payment", "select * from saga where id = $1", UUID(saga_id))


async def told_by(people: People, saga_id: str) -> list[str]:
    ask = "select event from saga_event where saga_id = $1 order by seq"
    return [row["event"] for row in await people.world.sql("payment", ask, UUID(saga_id))]


async def timeline_of(people: People, booked: Booked) -> list[str]:
    """What the two people of a booking are shown of it."""
    stub = people.stub(PaymentServiceStub, "payment", "ops")
    ask = payment_pb2.GetBookingTimelineRequest(booking_id=booked.booking)
    return [entry.event for entry in (await stub.GetBookingTimeline(ask, timeout=5)).entries]


async def opening_of(people: People, student: UUID) -> str:
    rows = await people.world.sql("payment", "select id from saga where student_id = $1", student)
    assert len(rows) == 1
    return str(rows[0]["id"])


async def cancel_of(people: People, booked: Booked) -> str:
    ask = "select id from saga where booking_id = $1 and kind = 'CancelBookingSaga'"
    return str((await people.world.sql("payment", ask, UUID(booked.booking)))[0]["id"])


async def let_time_pass(people: People, saga_id: str, hours: float) -> None:
    """The saga has been in its state for this much longer, and looks again now."""
    await people.world.sql(
        "payment",
        "update saga set state_since = state_since - make_interval(secs => $2), wake_at = clock_timestamp() where id = $1",
        UUID(saga_id),
        hours * 3600,
    )


async def put_to_sleep(people: People, saga_id: str) -> None:
    """Let a saga that backs off do nothing by itself until it is asked to."""
    sleep = """update saga set wake_at = clock_timestamp() + interval '1 hour'
               where id = $1 and attempt > 0 and lease_until is null returning id"""
    await wait_until(lambda: people.world.sql("payment", sleep, UUID(saga_id)), bool)
