"""Wakes the watchers of a record when PostgreSQL notifies a change (LISTEN/NOTIFY). One connection per process listens.

A notification carries only the record's id. It sets a flag of each watcher, which then reads the newest state, so
that many changes cost no memory. After a lost connection is made anew every watcher is woken, because notifications
may have been missed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import asyncpg

from mesh.errors import Overloaded, TryAgain
from mesh.logs import log
from mesh.loops import doubled_pause
from mesh.postgres import Connector

MAX_WATCHERS = 1000
#: The silence after which the connection is tested. A dead one (a firewall, a lost host) is noticed after at most this
#: plus TIMEOUT_SECONDS.
HEARTBEAT_SECONDS = 15.0
TIMEOUT_SECONDS = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0


class Watcher:
    """Waits for changes of one record. It begins awake, so that its owner reads the record at once."""

    def __init__(self) -> None:
        self._awake = asyncio.Event()
        self._awake.set()
        self._stopping = False

    async def wait_for_change(self) -> None:
        """Return when the record may have changed. Raises TryAgain when this process stops."""
        await self._awake.wait()
        self._awake.clear()
        if self._stopping:
            raise TryAgain("this replica is stopping")

    def wake(self, *, stopping: bool = False) -> None:
        self._stopping |= stopping
        self._awake.set()


class Changes:
    """Listens to the database while its context is open, and reconnects when the connection is lost.

    `kind` is what the records are called: the channel is `booking_changed`, the connection's name `booking_changes`.
    `database_url` leads to the server itself: a pooler in transaction mode passes no notifications on.
    """

    def __init__(self, database_url: str, kind: str, *, max_watchers: int = MAX_WATCHERS) -> None:
        self._channel, self._name = f"{kind}_changed", f"{kind}_changes"
        self._connector = Connector(
            database_url, self._name, connect_seconds=TIMEOUT_SECONDS, answer_seconds=TIMEOUT_SECONDS
        )
        self._max_watchers = max_watchers
        self._watchers: dict[str, set[Watcher]] = {}
        self._count = 0
        self._stopping = False
        self._listener: asyncio.Task[None] | None = None

    @property
    def watcher_count(self) -> int:
        return self._count

    async def __aenter__(self) -> Changes:
        self._listener = asyncio.create_task(self._listen_forever(), name=self._name)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait([self._listener])

    @contextlib.contextmanager
    def watch(self, record_id: UUID) -> Iterator[Watcher]:
        """Register a watcher of this record within the block.

        Raises Overloaded when there are too many watchers, TryAgain when this process stops.
        """
        if self._stopping:
            raise TryAgain("this replica is stopping")
        if self._count >= self._max_watchers:
            raise Overloaded
        watcher, key = Watcher(), str(record_id)
        self._watchers.setdefault(key, set()).add(watcher)
        self._count += 1
        try:
            yield watcher
        finally:
            self._forget(key, watcher)

    async def stop(self) -> None:
        """End every watch, so that its caller turns to another replica, and accept no more."""
        self._stopping = True
        self._wake_all(stopping=True)

    def _forget(self, key: str, watcher: Watcher) -> None:
        self._count -= 1
        others = self._watchers[key]
        others.discard(watcher)
        if not others:
            del self._watchers[key]

    def _wake_all(self, *, stopping: bool = False) -> None:
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.wake(stopping=stopping)

    def _on_notification(self, _connection: object, _pid: int, _channel: str, record_id: object) -> None:
        for watcher in self._watchers.get(str(record_id), ()):
            watcher.wake()

    async def _listen_forever(self) -> None:
        attempt = 0
        while True:
            try:
                async with self._connect() as connection:
                    attempt = 0
                    await self._listen_until_lost(connection)
                log().warning("listener_lost")
            except Exception as error:  # any error: without a listener the watchers would miss every change
                log().warning("listener_failed", error=str(error))
            await asyncio.sleep(doubled_pause(attempt, FIRST_PAUSE, LONGEST_PAUSE))
            attempt += 1

    @contextlib.asynccontextmanager
    async def _connect(self) -> Any:
        connection = await self._connector.connect()
        try:
            yield connection
        finally:
            with contextlib.suppress(Exception):
                await connection.close(timeout=1)

    async def _listen_until_lost(self, connection: asyncpg.Connection) -> None:
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        await connection.add_listener(self._channel, self._on_notification)
        self._wake_all()
        while not lost.is_set():
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):  # wait_for would lose a cancel that meets the loss
                    await lost.wait()
            except TimeoutError:
                await connection.execute("select 1")
