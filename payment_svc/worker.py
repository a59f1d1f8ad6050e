"""The loops: recover sagas, handle the inbox, reconcile with the providers, deliver messages, forget what is old."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from mesh.loops import run_forever
from payment_svc.engine.engine import Engine
from payment_svc.forgetting import Forgetting
from payment_svc.notifications.delivering import Deliveries
from payment_svc.settling.inbox import Inbox
from payment_svc.settling.reconcile import Reconcile


@contextlib.asynccontextmanager
async def run_loops(
    engine: Engine,
    inbox: Inbox,
    reconcile: Reconcile,
    forgetting: Forgetting,
    deliveries: Deliveries,
    reconcile_seconds: float,
) -> AsyncIterator[None]:
    """Within, the loops run. At its end they are cancelled, and what they have begun is drained."""

    async def run_round() -> None:
        await reconcile.run_round()

    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(inbox.drain)
        stack.push_async_callback(deliveries.drain)
        for loop in (
            engine.recover_forever(),
            inbox.run_forever(),
            run_forever("reconcile", run_round, reconcile_seconds),
            *forgetting.loops(),
            *deliveries.loops(),
        ):
            task = asyncio.get_running_loop().create_task(loop)
            stack.push_async_callback(_cancel, task)
        yield


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
