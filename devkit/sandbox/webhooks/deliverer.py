"""Deliver events: signed as Stripe signs them, many at once, each until the receiver answers 2xx."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import Iterable

import aiohttp

from devkit.sandbox.store import Store
from devkit.sandbox.webhooks.outbox import Delivery, Outbox

_log = logging.getLogger("sandbox")
PARALLEL = 16
TIMEOUT = 10.0
_HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
}


def signature(payload: bytes, secret: str, at: int) -> str:
    """The Stripe-Signature header for a payload sent at `at` (Unix seconds). Source: Stripe, "Verify signatures".

    With several secrets, separated by commas, each signs: so does Stripe while an old secret lives on beside a new one.
    """
    signed = f"{at}.".encode() + payload
    digests = (hmac.new(one.strip().encode(), signed, hashlib.sha256).hexdigest() for one in secret.split(","))
    return f"t={at}," + ",".join(f"v1={digest}" for digest in digests)


class Deliverer:
    """Sends the deliveries of the outbox. An event whose delivery fails or hangs delays no other."""

    def __init__(self, store: Store, outbox: Outbox, url: str, secret: str) -> None:
        self._store, self._outbox, self._url, self._secret = store, outbox, url, secret
        self._sending: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Deliver until cancelled. A delivery that is cut off stays owed."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TIMEOUT)) as client:
            try:
                while True:
                    self._outbox.changed.clear()
                    now = time.time()
                    self._start_due(client, now)
                    await self._wait(self._outbox.next_due(now))
            finally:
                await self._cancel_all()

    async def _wait(self, until: float | None) -> None:
        try:
            async with asyncio.timeout(None if until is None else max(0.0, until - time.time())):
                await self._outbox.changed.wait()
        except TimeoutError:
            return

    def _start_due(self, client: aiohttp.ClientSession, now: float) -> None:
        backwards = self._not_sending(self._outbox.due(now, "reverse"))
        if backwards:
            self._start(client, backwards[::-1])
        free = PARALLEL - len(self._tasks)
        due = self._not_sending(self._outbox.due(now, "", len(self._sending) + PARALLEL))
        for item in due[: max(0, free)]:
            self._start(client, [item])

    def _not_sending(self, due: list[Delivery]) -> list[Delivery]:
        return [item for item in due if item.seq not in self._sending]

    def _start(self, client: aiohttp.ClientSession, items: list[Delivery]) -> None:
        self._sending.update(item.seq for item in items)
        task = asyncio.create_task(self._send_in_order(client, items))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._finish(done, items))

    def _finish(self, task: asyncio.Task[None], items: Iterable[Delivery]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("a delivery broke off", exc_info=task.exception())
        self._sending.difference_update(item.seq for item in items)
        self._outbox.changed.set()

    async def _send_in_order(self, client: aiohttp.ClientSession, items: list[Delivery]) -> None:
        for item in items:
            if self._outbox.is_owed(item):
                self._outbox.finish(item, await self._send(client, item))

    async def _send(self, client: aiohttp.ClientSession, item: Delivery) -> int:
        payload = (self._store.find_text("event", item.event) or "").encode()
        headers = {**_HEADERS, "Stripe-Signature": signature(payload, self._secret, int(time.time()))}
        try:
            async with client.post(self._url, data=payload, headers=headers, allow_redirects=False) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    async def _cancel_all(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
