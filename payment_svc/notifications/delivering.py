"""The loop over messages on their way: each channel by itself, so that one that is down costs the others nothing.

A message is owned for longer than a try can take. Whoever dies between telling and writing that down leaves it to be
told again, under the same id: at least once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from typing import Any
from uuid import UUID

from mesh import calls
from mesh.errors import NotFound
from mesh.logs import log
from payment_svc.domain import WrongState
from payment_svc.domain.messages import Lane, Message
from payment_svc.engine.engine import backoff, forever
from payment_svc.notifications.notifier import NotDelivered, Notifier
from payment_svc.store import NotificationStore

POLL_SECONDS = 0.5
BATCH = 50
#: Tries of one channel at the same time.
ROOM = 8
PRUNE_SECONDS, PRUNE_BATCH = 600.0, 500
MOST_REVIVED = 1000
#: What a stopping process still waits for tries under way; what it cuts off is told again.
LAST_SECONDS = 2.0


class Deliveries:
    """Delivers by these channels; gives a message up after so many seconds of trying."""

    def __init__(self, store: NotificationStore, notifiers: Sequence[Notifier], give_up_seconds: float) -> None:
        self.store = store
        self._notifiers, self._give_up = notifiers, give_up_seconds
        self._room = {notifier.channel: asyncio.Semaphore(ROOM) for notifier in notifiers}
        self._bells = {notifier.channel: asyncio.Event() for notifier in notifiers}
        self._under_way: set[asyncio.Task[None]] = set()

    def loops(self) -> list[Coroutine[Any, Any, None]]:
        """What has to run beside; nothing when no channel is configured."""
        each = [self._forever(notifier) for notifier in self._notifiers]
        return [*each, forever("prune_notifications", self._prune, PRUNE_SECONDS)] if each else []

    async def drain(self) -> None:
        """Let tries under way end, for a moment."""
        late = self._under_way
        if late:
            _, late = await asyncio.wait(late, timeout=LAST_SECONDS)
        for task in late:
            task.cancel()
        if late:  # bounded: a library can lose a cancel
            await asyncio.wait(late, timeout=LAST_SECONDS)

    async def close(self) -> None:
        """Close what the channels keep open."""
        for notifier in self._notifiers:
            await notifier.close()

    async def run_once(self, notifier: Notifier) -> int:
        """Begin a try for each of a channel's messages that is due, as room gets free; how many."""
        begun, room = 0, self._room[notifier.channel]
        for due in await self.store.due(notifier.channel, BATCH):
            await room.acquire()
            try:
                message = await self.store.claim(due, _claim_seconds(notifier))
            except BaseException:
                room.release()
                raise
            if message is None:
                room.release()
                continue
            begun += 1
            self._start(notifier, message).add_done_callback(lambda _: room.release())
        return begun

    async def retry(self, message_id: UUID | None) -> int:
        """Try again what was given up: one message, or (None) everything; how many lanes. Raises NotFound, WrongState."""
        revived = await self.store.revive(message_id, MOST_REVIVED)
        if not revived and message_id is not None:
            raise WrongState("it is not dead") if await self.store.exists(message_id) else NotFound
        return revived

    def _start(self, notifier: Notifier, message: Message) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._tell(notifier, message), name=f"notification {message.id}")
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:  # the database is away: the message is told again once its claim is over
            log().warning("notification_not_written_down", error=str(error))

    async def _forever(self, notifier: Notifier) -> None:
        await forever(f"notify_{notifier.channel}", lambda: self._rung(notifier), 0.0)

    async def _rung(self, notifier: Notifier) -> int:
        """Look now and then, and at once when a message has made way for the next of its lane."""
        bell = self._bells[notifier.channel]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):  # wait_for would lose a cancel that meets the bell (Python 3.11)
                await bell.wait()
        bell.clear()
        return await self.run_once(notifier)

    async def _prune(self) -> bool:
        return await self.store.prune(PRUNE_BATCH) == PRUNE_BATCH

    async def _tell(self, notifier: Notifier, message: Message) -> None:
        with calls.background():
            try:
                await notifier.tell(message)
            except NotDelivered as error:
                await self._failed(message, str(error), error.definite)
            except Exception as error:
                log().error("notification_crashed", message_id=str(message.id), exc_info=error)
                await self._failed(message, type(error).__name__, definite=False)
            else:
                await self.store.delivered(message)
                self._bells[notifier.channel].set()

    async def _failed(self, message: Message, words: str, definite: bool) -> None:
        about = {"message_id": str(message.id), "type": message.type, "attempt": message.attempt, "error": words}
        about |= {"channel": message.lane.channel, "audience": message.lane.audience.value}
        if definite or message.seconds_tried >= self._give_up:
            log().error("notification_dead", alert=True, **about)
            await self.store.bury(message, words)
        else:
            log().warning("notification_backs_off", **about)
            await self.store.back_off(message, words, backoff(message.attempt - 1, message.seconds_tried))


def lanes_of(notifiers: Sequence[Notifier]) -> tuple[Lane, ...]:
    """Every lane that these channels want messages on."""
    return tuple(Lane(notifier.channel, audience) for notifier in notifiers for audience in notifier.audiences)


def _claim_seconds(notifier: Notifier) -> float:
    """Longer than a try can take, with room for writing its end down."""
    return 2 * notifier.timeout + 1
