"""The loop over messages on their way. Each channel has a loop of its own, so that a broken one delays no other.

A message is owned for longer than a try can take. When its owner dies between sending it and recording that, it is sent
again under the same id: at least once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from typing import Any
from uuid import UUID

from mesh import about, calls, tracing
from mesh.errors import NotFound
from mesh.logs import log
from mesh.loops import back_off_seconds, run_forever
from payment_svc.domain import WrongState
from payment_svc.domain.messages import DeliveryRoute, Message
from payment_svc.metrics import MESSAGE_TRIES
from payment_svc.notifications.notifier import NotDelivered, Notifier
from payment_svc.store import NotificationStore

POLL_SECONDS = 0.5
BATCH = 50
#: Tries of one channel at the same time.
MOST_TRIES_AT_ONCE = 8
PRUNE_SECONDS, PRUNE_BATCH = 600.0, 500
MOST_RETRIED = 1000
#: How long a stopping process waits for tries under way. Another process sends again what it cuts off.
DRAIN_SECONDS = 2.0


class Deliveries:
    """Delivers messages by these channels. It gives a message up after so many seconds of trying."""

    def __init__(self, store: NotificationStore, notifiers: Sequence[Notifier], give_up_seconds: float) -> None:
        self.store = store
        self._notifiers, self._give_up = notifiers, give_up_seconds
        self._slots = {notifier.channel: asyncio.Semaphore(MOST_TRIES_AT_ONCE) for notifier in notifiers}
        self._wake_ups = {notifier.channel: asyncio.Event() for notifier in notifiers}
        self._under_way: set[asyncio.Task[None]] = set()

    def loops(self) -> list[Coroutine[Any, Any, None]]:
        """The loops to run; none when no channel is configured."""
        each = [self._deliver_forever(notifier) for notifier in self._notifiers]
        return [*each, run_forever("prune_notifications", self._prune, PRUNE_SECONDS)] if each else []

    async def drain(self) -> None:
        """Wait a moment for tries under way, then cancel them."""
        late = self._under_way
        if late:
            _, late = await asyncio.wait(late, timeout=DRAIN_SECONDS)
        for task in late:
            task.cancel()
        if late:  # bounded: a library can lose a cancel
            await asyncio.wait(late, timeout=DRAIN_SECONDS)

    async def close(self) -> None:
        """Close what the channels keep open."""
        for notifier in self._notifiers:
            await notifier.close()

    async def run_once(self, notifier: Notifier) -> int:
        """Begin a try for each due message of a channel, at most MOST_TRIES_AT_ONCE at a time; how many were begun."""
        begun, slots = 0, self._slots[notifier.channel]
        for due in await self.store.due(notifier.channel, BATCH):
            await slots.acquire()
            try:
                message = await self.store.claim(due, _claim_seconds(notifier))
            except BaseException:
                slots.release()
                raise
            if message is None:
                slots.release()
                continue
            begun += 1
            self._start(notifier, message).add_done_callback(lambda _: slots.release())
        return begun

    async def retry(self, message_id: UUID | None) -> int:
        """Make dead letters due again: one message, or (None) all; on how many routes. Raises NotFound, WrongState."""
        retried = await self.store.retry_dead(message_id, MOST_RETRIED)
        if not retried and message_id is not None:
            raise WrongState("it is not dead") if await self.store.exists(message_id) else NotFound
        return retried

    def _start(self, notifier: Notifier, message: Message) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._send(notifier, message), name=f"notification {message.id}")
        self._under_way.add(task)
        task.add_done_callback(lambda done: self._forget(message, done))
        return task

    def _forget(self, message: Message, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:  # the database is away: the message is sent again once its claim is over
            with about.about(message.ids):
                log().warning("notification_not_written_down", message_id=str(message.id), error=str(error))

    async def _deliver_forever(self, notifier: Notifier) -> None:
        await run_forever(f"notify_{notifier.channel}", lambda: self._wait_and_run(notifier), 0.0)

    async def _wait_and_run(self, notifier: Notifier) -> int:
        """Look twice a second, and at once when a message was delivered: the next one on its route is due then."""
        wake_up = self._wake_ups[notifier.channel]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):  # wait_for can lose a cancel (Python 3.11)
                await wake_up.wait()
        wake_up.clear()
        return await self.run_once(notifier)

    async def _prune(self) -> bool:
        return await self.store.prune(PRUNE_BATCH) == PRUNE_BATCH

    async def _send(self, notifier: Notifier, message: Message) -> None:
        kind = {f"{tracing.PREFIX}message_type": str(message.type)}
        links = (message.sale.traceparent,) if message.sale else ()
        sending = tracing.span(f"deliver {notifier.channel}", "producer", kind, links=links)
        with calls.background(), about.about(message.ids), sending:
            try:
                await notifier.send(message)
            except NotDelivered as error:
                await self._retry_or_give_up(message, str(error), error.definite)
            except Exception as error:
                log().error("notification_crashed", message_id=str(message.id), exc_info=error)
                await self._retry_or_give_up(message, type(error).__name__, definite=False)
            else:
                MESSAGE_TRIES.labels(notifier.channel, "delivered").inc()
                await self.store.mark_delivered(message)
                self._wake_ups[notifier.channel].set()

    async def _retry_or_give_up(self, message: Message, words: str, definite: bool) -> None:
        about = {"message_id": str(message.id), "type": message.type, "attempt": message.attempt, "error": words}
        about |= {"channel": message.route.channel, "audience": message.route.audience.value}
        if definite or message.seconds_tried >= self._give_up:
            MESSAGE_TRIES.labels(message.route.channel, "dead").inc()
            log().error("notification_dead", alert=True, **about)
            await self.store.mark_dead(message, words)
        else:
            MESSAGE_TRIES.labels(message.route.channel, "backs_off").inc()
            log().warning("notification_backs_off", **about)
            await self.store.back_off(message, words, back_off_seconds(message.attempt - 1, message.seconds_tried))


def routes_of(notifiers: Sequence[Notifier]) -> tuple[DeliveryRoute, ...]:
    """Every route on which these channels want messages."""
    return tuple(DeliveryRoute(notifier.channel, audience) for notifier in notifiers for audience in notifier.audiences)


def _claim_seconds(notifier: Notifier) -> float:
    """Longer than a try can take, with time to record its end."""
    return 2 * notifier.timeout + 1
