"""Watches: a stream of a record, as it is now and then after each change, until it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from mesh.changes import Changes
from mesh.errors import Overloaded, TryAgain

#: After a reconnect every watcher reads at once. This limit leaves connections of the pool to unary calls.
READS_AT_ONCE = 4
#: Seconds before each further read while the database is away. After the last one the caller gets the refusal.
PAUSES = (0.1, 0.3, 1.0, 2.0, 4.0)


class Watched(Protocol):
    """A record that can be watched."""

    @property
    def version(self) -> int:
        """1 or more at first; it grows with each change."""

    @property
    def has_ended(self) -> bool:
        """True once nothing of it can change."""


Record = TypeVar("Record", bound=Watched, covariant=True)


class Reader(Protocol[Record]):
    """The use case that reads a record of the caller's."""

    async def get(self, record_id: UUID, /) -> Record:
        """Raises NotFound, also for another person's."""


class Watches(Generic[Record]):
    """The watches of this process."""

    def __init__(self, reader: Reader[Record], changes: Changes) -> None:
        self._reader, self._changes = reader, changes
        self._reads = asyncio.Semaphore(READS_AT_ONCE)

    async def watch(self, record_id: UUID) -> AsyncGenerator[Record, None]:
        """Yield the record now and after each change. Several changes between two reads yield once, as the newest.

        Raises NotFound (also for another person's), Overloaded, TryAgain.
        """
        seen = 0
        with self._changes.watch(record_id) as watcher:
            while True:
                await watcher.wait_for_change()
                record = await self._read(record_id)
                if record.version > seen:
                    seen = record.version
                    yield record
                if record.has_ended:
                    return

    async def _read(self, record_id: UUID) -> Record:
        for pause in PAUSES:
            try:
                return await self._read_once(record_id)
            except (TryAgain, Overloaded):
                await asyncio.sleep(pause)
        return await self._read_once(record_id)

    async def _read_once(self, record_id: UUID) -> Record:
        async with self._reads:
            return await self._reader.get(record_id)
