"""The loops: recover what its owner left, look into the inbox, reconcile with Stripe, tell people."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from payment_svc.engine.engine import Engine, forever
from payment_svc.notifications.delivering import Deliveries
from payment_svc.settling.inbox import Inbox
from payment_svc.settling.reconcile import Reconcile
from payment_svc.store import KeyStore

FORGET_KEYS_SECONDS = 600.0
BATCH = 500


@contextlib.asynccontextmanager
async def running(
    engine: Engine,
    inbox: Inbox,
    reconcile: Reconcile,
    keys: KeyStore,
    deliveries: Deliveries,
    reconcile_seconds: float,
) -> AsyncIterator[None]:
    """The loops run within; they end with it."""

    async def round_of_reconcile() -> None:
        await reconcile.round()

    async def forget_old_keys() -> bool:
        return await keys.forget_old(BATCH) == BATCH

    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(inbox.drain)
        stack.push_async_callback(deliveries.drain)
        for loop in (
            engine.recover_forever(),
            inbox.run_forever(),
            forever("reconcile", round_of_reconcile, reconcile_seconds),
            forever("forget_keys", forget_old_keys, FORGET_KEYS_SECONDS),
            *deliveries.loops(),
        ):
            task = asyncio.get_running_loop().create_task(loop)
            stack.push_async_callback(_ended, task)
        yield


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
