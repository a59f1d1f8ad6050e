"""The sweeper. It keeps the tables small: a claimer evicts lapsed claims without it, and old blocks are of no use."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from availability_svc.store import Calendars
from mesh.database import Database
from mesh.logs import log
from mesh.loops import jitter, run_forever

EVERY_SECONDS = 300.0
BATCH = 500
#: A repeated request to block or to remove is answered as the first one for so long after the removal or the end.
REMEMBERED_FOR = timedelta(days=1)


class Sweeper:
    """Deletes claims of holds that lapsed longer than `grace` ago, and blocks that were removed or over a day ago.

    It does so in batches, and waits for no lock.
    """

    def __init__(
        self, database: Database, grace: timedelta, *, every: float = EVERY_SECONDS, batch: int = BATCH
    ) -> None:
        self._database, self._grace = database, grace
        self._every, self._batch = every, batch

    async def run(self) -> None:
        """Sweep until cancelled; the first time after a part of the interval, so that replicas spread out."""
        await asyncio.sleep(jitter(self._every, 0.05, 0.2))
        await run_forever("sweep", self._sweep_and_log, self._every)

    async def sweep(self) -> int:
        """Delete every claim that has lapsed by now, and return how many."""
        return await self._repeat(lambda connection: Calendars(connection).sweep(self._grace, self._batch))

    async def forget_blocks(self) -> int:
        """Delete every block that was removed or over a day ago, with its claim, and return how many."""
        return await self._repeat(lambda connection: Calendars(connection).forget_blocks(REMEMBERED_FOR, self._batch))

    async def _repeat(self, delete: Callable[[AsyncConnection], Awaitable[int]]) -> int:
        """Run a statement that deletes a batch until it finds no full batch, and return how many rows went."""
        total = 0
        while True:
            deleted = await self._database.statement(delete)
            total += deleted
            if deleted < self._batch:
                return total

    async def _sweep_and_log(self) -> None:
        log().info("swept", claims=await self.sweep(), blocks=await self.forget_blocks())
