"""Events that no open saga takes: money after the end, intents no saga owns, refunds and disputes that come later.

Each makes us ask Stripe what is so now, and settle it (payment_svc/aftermath.py). An event whose handling fails is
retried with backoff, then parked; it never blocks another. The events of one intent are one question: one look answers
all that are there, and they back off together, so that a failure that makes events is not repeated at their speed.
"""

from __future__ import annotations

import asyncio
import contextlib

from mesh import calls
from mesh.errors import CallFailed, Refusal
from mesh.logs import log
from payment_svc.aftermath import Aftermath, RefundNotDone
from payment_svc.sagas.engine import backoff, forever
from payment_svc.store import EventStore
from payment_svc.store.events import InboxEvent

POLL_SECONDS = 2.0
BATCH = 20
ATTEMPTS = 8


class Inbox:
    """The loop over stored events."""

    def __init__(self, events: EventStore, aftermath: Aftermath) -> None:
        self._events, self._aftermath = events, aftermath
        self._bell = asyncio.Event()
        self._under_way: set[asyncio.Task[bool]] = set()

    def look_now(self) -> None:
        """An event has just been stored."""
        self._bell.set()

    async def run_once(self) -> int:
        """Handle what is due; how many."""
        taking = [asyncio.get_running_loop().create_task(self._take(event)) for event in await self._events.due(BATCH)]
        self._under_way.update(taking)
        for task in taking:
            task.add_done_callback(self._under_way.discard)
        return sum(await asyncio.gather(*(asyncio.shield(task) for task in taking)))

    async def drain(self) -> None:
        """Let what is being handled end; each is bounded by the deadlines of its calls."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def run_forever(self) -> None:
        """Until cancelled: at once when an event was stored here, else every two seconds."""
        await forever("inbox", self._rung, 0.0)

    async def _rung(self) -> int:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):  # wait_for would lose a cancel that meets the bell (Python 3.11)
                await self._bell.wait()
        self._bell.clear()
        return await self.run_once()

    async def _take(self, event: InboxEvent) -> bool:
        """Claim an event and handle it; a task that outlives the loop, so that what is claimed here is handled."""
        claimed = await self._events.claim(event)
        if claimed is not None:
            await self._handle(claimed)
        return claimed is not None

    async def _handle(self, event: InboxEvent) -> None:
        with calls.background():
            try:
                await self._aftermath.settle(event.saga_id, event.intent_id)
                await self._events.done(event)
            except Exception as error:
                await self._failed(event, error)

    async def _failed(self, event: InboxEvent, error: Exception) -> None:
        words = f"{type(error).__name__}: {error}"[:500]
        is_only_late = isinstance(error, Refusal | CallFailed | RefundNotDone)  # the provider is away, or not done yet
        if event.attempt >= ATTEMPTS and not is_only_late:
            log().error("event_parked", alert=True, event_id=event.id, saga_id=str(event.saga_id), error=words)
            await self._events.park(event, words)
        else:
            log().warning("event_backs_off", event_id=event.id, attempt=event.attempt, error=words)
            await self._events.back_off(event, words, backoff(event.attempt, 0))
