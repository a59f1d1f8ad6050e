"""The sweeper. It only keeps the table of claims small: a claimer evicts lapsed claims without it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from availability_svc.store import Calendars
from mesh.database import Database
from mesh.logs import log
from mesh.loops import jitter, run_forever

EVERY_SECONDS = 300.0
BATCH = 500


class Sweeper:
    """Deletes claims of holds that lapsed longer than `grace` ago, in batches. It waits for no lock."""

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
        total = 0
        while True:
            removed = await self._database.statement(
                lambda connection: Calendars(connection).sweep(self._grace, self._batch)
            )
            total += removed
            if removed < self._batch:
                return total

    async def _sweep_and_log(self) -> None:
        log().info("swept", claims=await self.sweep())
