"""Events that no open saga takes: late payments, orphaned intents, and refunds and disputes that come later.

Each event makes us ask the provider how its intent stands now, and settle it (settling/late_payments.py). An event whose
handling fails is retried with backoff, then parked; it never blocks another. One look at an intent answers all of its
events. A failing refund makes new events: they share one backoff, so that it is not retried once for each of them.
"""

from __future__ import annotations

import asyncio
import contextlib
from uuid import UUID

from mesh import about, calls, tracing
from mesh.errors import CallFailed, Refusal, describe
from mesh.logs import log
from mesh.loops import back_off_seconds, run_forever
from payment_svc.providers.port import Unreadable, printable
from payment_svc.settling.late_payments import LatePayments, RefundNotDone
from payment_svc.store import EventStore
from payment_svc.store.events import InboxEvent

POLL_SECONDS = 2.0
#: Looks at the same time. While all of them wait for the provider, a new event waits for the first that ends.
MOST_AT_ONCE = 20
ATTEMPTS = 8


class Inbox:
    """The loop over stored events."""

    def __init__(self, events: EventStore, late_payments: LatePayments) -> None:
        self._events, self._late_payments = events, late_payments
        self._wake_up = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._intents: set[tuple[UUID, str]] = set()

    def look_now(self) -> None:
        """An event has just been stored."""
        self._wake_up.set()

    async def run_once(self) -> int:
        """Begin to handle what is due, at most MOST_AT_ONCE, and wait for none of it; how many were begun."""
        due = await self._events.due(MOST_AT_ONCE + len(self._under_way))
        waiting = [event for event in due if (event.saga_id, event.intent_id) not in self._intents]
        room = MOST_AT_ONCE - len(self._under_way)
        for event in waiting[:room]:
            self._begin(event)
        return len(waiting[:room])

    def _begin(self, event: InboxEvent) -> None:
        about = (event.saga_id, event.intent_id)
        self._intents.add(about)
        task = asyncio.get_running_loop().create_task(self._take(event))
        self._under_way.add(task)
        task.add_done_callback(lambda done: self._end(about, done))

    def _end(self, about: tuple[UUID, str], done: asyncio.Task[None]) -> None:
        if len(self._under_way) == MOST_AT_ONCE:
            self.look_now()  # there is room again
        self._under_way.discard(done)
        self._intents.discard(about)

    async def drain(self) -> None:
        """Wait until what is being handled has ended. The deadlines of its calls bound each."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def run_forever(self) -> None:
        """Handle due events until cancelled: at once when this process has stored one, else every two seconds."""
        await run_forever("inbox", self._wait_and_run, 0.0)

    async def _wait_and_run(self) -> int:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):  # wait_for can lose a cancel (Python 3.11)
                await self._wake_up.wait()
        self._wake_up.clear()
        return await self.run_once()

    async def _take(self, event: InboxEvent) -> None:
        """Claim an event and handle it. The task outlives the loop, so that what this process claims it also handles."""
        with calls.background(), about.about({"saga_id": event.saga_id, "intent_id": event.intent_id}):
            try:
                claimed = await self._events.claim(event)
                if claimed is not None:
                    await self._handle(claimed)
            except Refusal as error:  # the database is away or full; the claimed event is due again after a while
                log().warning("inbox_failed", event_id=event.id, **describe(error))
            except Exception as error:
                log().error("inbox_crashed", event_id=event.id, exc_info=error)

    async def _handle(self, event: InboxEvent) -> None:
        with tracing.span("inbox event", "consumer"):
            try:
                await self._late_payments.settle(event.saga_id, event.intent_id)
                await self._events.done(event)
            except Exception as error:
                await self._retry_or_park(event, error)

    async def _retry_or_park(self, event: InboxEvent, error: Exception) -> None:
        words = printable(f"{type(error).__name__}: {error}")
        if event.attempt >= ATTEMPTS and not _is_only_late(error):
            log().error("event_parked", alert=True, event_id=event.id, saga_id=str(event.saga_id), error=words)
            await self._events.park(event, words)
        else:
            tell = log().info if isinstance(error, RefundNotDone) else log().warning
            tell("event_backs_off", event_id=event.id, attempt=event.attempt, **{**describe(error), "error": words})
            await self._events.back_off(event, words, back_off_seconds(event.attempt))


def _is_only_late(error: Exception) -> bool:
    """True when the same try can succeed later: the provider is away, or the refund is not done yet."""
    return isinstance(error, Refusal | CallFailed | RefundNotDone) and not isinstance(error, Unreadable)
