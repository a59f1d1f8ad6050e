"""Loops end when they are told to, also when their bell rings in the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

from payment_svc.inbox import Inbox
from payment_svc.notices import Audience
from payment_svc.notifications.delivering import Deliveries


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
    assert (await cancelled_as_it_rings(first, deliveries._bells["webhook"])).cancelled()


async def test_the_inbox_ends() -> None:
    inbox = Inbox(cast(Any, Idle()), cast(Any, None))
    assert (await cancelled_as_it_rings(inbox.run_forever(), inbox._bell)).cancelled()
