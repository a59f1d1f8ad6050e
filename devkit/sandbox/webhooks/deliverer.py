"""Deliver events: signed as Stripe signs them, many at once, each until the receiver answers 2xx."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Iterable

import httpx

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
    """The Stripe-Signature header for a payload sent at `at` (Unix seconds). Source: Stripe, "Verify signatures"."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


class Deliverer:
    """Sends the deliveries of the outbox. An event whose delivery fails or hangs delays no other."""

    def __init__(self, store: Store, outbox: Outbox, url: str, secret: str) -> None:
        self._store, self._outbox, self._url, self._secret = store, outbox, url, secret
        self._wakeup = asyncio.Event()
        self._sending: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Look for due deliveries again."""
        self._wakeup.set()

    async def run(self) -> None:
        """Deliver until cancelled. A delivery that is cut off stays owed."""
        limits = httpx.Limits(max_connections=PARALLEL * 2, max_keepalive_connections=PARALLEL)
        async with httpx.AsyncClient(timeout=TIMEOUT, limits=limits, trust_env=False) as client:
            try:
                while True:
                    self._wakeup.clear()
                    now = time.time()
                    self._start_due(client, now)
                    await self._wait(self._outbox.next_due(now))
            finally:
                await self._cancel_all()

    async def _wait(self, until: float | None) -> None:
        try:
            async with asyncio.timeout(None if until is None else max(0.0, until - time.time())):
                await self._wakeup.wait()
        except TimeoutError:
            return

    def _start_due(self, client: httpx.AsyncClient, now: float) -> None:
        backwards = self._not_sending(self._outbox.due(now, "reverse"))
        if backwards:
            self._start(client, backwards[::-1])
        free = PARALLEL - len(self._tasks)
        due = self._not_sending(self._outbox.due(now, "", len(self._sending) + PARALLEL))
        for item in due[: max(0, free)]:
            self._start(client, [item])

    def _not_sending(self, due: list[Delivery]) -> list[Delivery]:
        return [item for item in due if item.seq not in self._sending]

    def _start(self, client: httpx.AsyncClient, items: list[Delivery]) -> None:
        self._sending.update(item.seq for item in items)
        task = asyncio.create_task(self._send_in_order(client, items))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._finish(done, items))

    def _finish(self, task: asyncio.Task[None], items: Iterable[Delivery]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("a delivery broke off", exc_info=task.exception())
        self._sending.difference_update(item.seq for item in items)
        self.wake()

    async def _send_in_order(self, client: httpx.AsyncClient, items: list[Delivery]) -> None:
        for item in items:
            if self._outbox.is_owed(item):
                self._outbox.finish(item, await self._send(client, item))

    async def _send(self, client: httpx.AsyncClient, item: Delivery) -> int:
        payload = json.dumps(self._store.find("event", item.event)).encode()
        headers = {**_HEADERS, "Stripe-Signature": signature(payload, self._secret, int(time.time()))}
        try:
            answer = await client.post(self._url, content=payload, headers=headers)
        except httpx.HTTPError:
            return 0
        return answer.status_code

    async def _cancel_all(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
