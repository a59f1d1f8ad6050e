"""Loops end when they are told to, also when their bell rings in the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock
from uuid import uuid4

from payment_svc.domain.messages import Audience
from payment_svc.notifications.delivering import Deliveries
from payment_svc.settling.inbox import MOST_AT_ONCE, Inbox
from payment_svc.store.events import InboxEvent


class Idle:
    """A store with nothing due, and a channel with nothing to do."""

    channel, audiences, timeout = "webhook", (Audience.EVERYBODY,), 1.0

    async def due(self, *_: Any) -> list[Any]:
        return []


async def cancelled_as_it_rings(loop: Coroutine[Any, Any, None], bell: asyncio.Event) -> asyncio.Task[None]:
    task = asyncio.create_task(loop)
    while not bell._waiters:  # type: ignore[attr-defined]  # noqa: ASYNC110 - what is waited for is the waiter
        await asyncio.sleep(0)
    bell.set()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task}, timeout=5)
    return task


async def test_the_delivering_loop_ends() -> None:
    idle = cast(Any, Idle())
    deliveries = Deliveries(idle, [idle], 1.0)
    first, pruning = deliveries.loops()
    pruning.close()
    assert (await cancelled_as_it_rings(first, deliveries._wake_ups["webhook"])).cancelled()


async def test_the_inbox_ends() -> None:
    inbox = Inbox(cast(Any, Idle()), cast(Any, None))
    assert (await cancelled_as_it_rings(inbox.run_forever(), inbox._wake_up)).cancelled()


class Claimable(Idle):
    """A store with one event due, whose claim takes until it is let go."""

    def __init__(self) -> None:
        self.claiming, self.go, self.ended = asyncio.Event(), asyncio.Event(), list[str]()

    async def due(self, *_: Any) -> list[Any]:
        return [InboxEvent("evt_1", uuid4(), "pi_1", 0)]

    async def claim(self, event: InboxEvent) -> InboxEvent:
        self.claiming.set()
        await self.go.wait()
        return event

    async def done(self, event: InboxEvent) -> None:
        self.ended.append(event.id)


class Slow:
    """A settling of late payments whose first look ends when it is let go."""

    def __init__(self) -> None:
        self.go, self.looks = asyncio.Event(), 0

    async def settle(self, *_: Any) -> bool:
        self.looks += 1
        if self.looks == 1:
            await self.go.wait()
        return True


class Filling(Idle):
    """A store with as many events due as were put into it."""

    def __init__(self, events: int) -> None:
        self.waiting = [InboxEvent(f"evt_{number}", uuid4(), f"pi_{number}", 0) for number in range(events)]
        self.ended = list[str]()

    async def due(self, most: int) -> list[Any]:
        return self.waiting[:most]

    async def claim(self, event: InboxEvent) -> InboxEvent:
        return event

    async def done(self, event: InboxEvent) -> None:
        self.waiting.remove(event)
        self.ended.append(event.id)


async def test_an_event_that_takes_long_delays_none_that_come_later() -> None:
    store, slow = Filling(1), Slow()
    inbox = Inbox(cast(Any, store), cast(Any, slow))
    await inbox.run_once()
    store.waiting += Filling(3).waiting[1:]
    while len(store.ended) < 2:
        assert await inbox.run_once() <= 2  # and none is looked at twice
        await asyncio.sleep(0)
    assert store.ended == ["evt_1", "evt_2"]
    slow.go.set()
    await inbox.drain()
    assert store.ended[2:] == ["evt_0"]


async def test_the_inbox_looks_at_so_many_at_once_and_goes_on_when_there_is_room() -> None:
    store, slow = Filling(MOST_AT_ONCE + 1), Slow()
    inbox = Inbox(cast(Any, store), cast(Any, slow))
    assert await inbox.run_once() == MOST_AT_ONCE
    assert await inbox.run_once() == 0
    await asyncio.wait_for(inbox._wake_up.wait(), 5)
    assert await inbox.run_once() == 1
    slow.go.set()
    await inbox.drain()
    assert len(store.ended) == MOST_AT_ONCE + 1


async def test_an_event_whose_claim_meets_the_end_of_the_loop_is_handled_all_the_same() -> None:
    store = Claimable()
    inbox = Inbox(cast(Any, store), cast(Any, SimpleNamespace(settle=AsyncMock())))
    loop = asyncio.create_task(inbox.run_once())
    await store.claiming.wait()
    loop.cancel()
    await asyncio.wait({loop}, timeout=5)
    store.go.set()
    await inbox.drain()
    assert store.ended == ["evt_1"]
