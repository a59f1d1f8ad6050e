"""Events that no open saga takes: money after the end, intents no saga owns, refunds and disputes that come later.

Each makes us ask Stripe what is so now, and settle it (payment_svc/aftermath.py). An event whose handling fails is
retried with backoff, then parked; it never blocks another. The events of one intent are one question: one look answers
all that are there, and they back off together, so that a failure that makes events is not repeated at their speed.
"""

from __future__ import annotations

import asyncio
import contextlib
from uuid import UUID

from mesh import calls
from mesh.errors import CallFailed, Refusal
from mesh.logs import log
from payment_svc.engine.engine import backoff, forever
from payment_svc.settling.late_payments import Aftermath, RefundNotDone
from payment_svc.store import EventStore
from payment_svc.store.events import InboxEvent

POLL_SECONDS = 2.0
#: Looks at once; while each of them waits for the provider, what comes waits for the first that ends.
MOST_AT_ONCE = 20
ATTEMPTS = 8


class Inbox:
    """The loop over stored events."""

    def __init__(self, events: EventStore, aftermath: Aftermath) -> None:
        self._events, self._aftermath = events, aftermath
        self._bell = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._looked_at: set[tuple[UUID, str]] = set()

    def look_now(self) -> None:
        """An event has just been stored."""
        self._bell.set()

    async def run_once(self) -> int:
        """Begin what is due, as far as there is room, and wait for none of it; how many."""
        due = await self._events.due(MOST_AT_ONCE + len(self._under_way))
        waiting = [event for event in due if (event.saga_id, event.intent_id) not in self._looked_at]
        room = MOST_AT_ONCE - len(self._under_way)
        for event in waiting[:room]:
            self._begin(event)
        return len(waiting[:room])

    def _begin(self, event: InboxEvent) -> None:
        question = (event.saga_id, event.intent_id)
        self._looked_at.add(question)
        task = asyncio.get_running_loop().create_task(self._take(event))
        self._under_way.add(task)
        task.add_done_callback(lambda done: self._end(question, done))

    def _end(self, question: tuple[UUID, str], done: asyncio.Task[None]) -> None:
        if len(self._under_way) == MOST_AT_ONCE:
            self.look_now()  # there is room again
        self._under_way.discard(done)
        self._looked_at.discard(question)

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

    async def _take(self, event: InboxEvent) -> None:
        """Claim an event and handle it; a task that outlives the loop, so that what is claimed here is handled."""
        try:
            claimed = await self._events.claim(event)
            if claimed is not None:
                await self._handle(claimed)
        except Refusal as error:  # the database is away or full; what was claimed is due again after a while
            log().warning("inbox_failed", event_id=event.id, error=str(error))
        except Exception as error:
            log().error("inbox_crashed", event_id=event.id, exc_info=error)

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
