"""BookingHoldCleanupJob keeps the tables small.

Nobody waits for it: a claimer evicts lapsed claims without it, and old blocks are of no use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from availability_svc.store import Calendars
from mesh.database import Connection, Database
from mesh.logs import log
from mesh.loops import jitter, run_forever

BATCH = 500
#: A repeated request to block or to remove is answered as the first one for so long after the removal or the end.
REMEMBERED_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CleanedUp:
    """How many rows were deleted. A hold has a claim on each of its two calendars."""

    claims: int
    blocks: int


class BookingHoldCleanupJob:
    """Deletes claims of holds that lapsed longer than `grace` ago, and blocks that were removed or over a day ago.

    It does so in batches, and waits for no lock.
    """

    def __init__(self, database: Database, grace: timedelta, *, every: float = 300.0, batch: int = BATCH) -> None:
        """It runs each `every` seconds, and deletes `batch` rows in a statement."""
        self._database, self._grace = database, grace
        self._every, self._batch = every, batch

    async def run(self) -> None:
        """Clean up until cancelled; the first time after a part of the interval, so that replicas spread out."""
        await asyncio.sleep(jitter(self._every, 0.05, 0.2))
        await run_forever("booking_hold_cleanup", self._clean_up_and_log, self._every)

    async def clean_up(self) -> CleanedUp:
        """Delete every claim that has lapsed by now, and every block that is forgotten."""
        return CleanedUp(await self.delete_lapsed(), await self.forget_blocks())

    async def delete_lapsed(self) -> int:
        """Delete every claim that has lapsed by now, and return how many."""
        return await self._repeat(lambda connection: Calendars(connection).delete_lapsed(self._grace, self._batch))

    async def forget_blocks(self) -> int:
        """Delete every block that was removed or over a day ago, with its claim, and return how many."""
        return await self._repeat(lambda connection: Calendars(connection).forget_blocks(REMEMBERED_FOR, self._batch))

    async def _repeat(self, delete: Callable[[Connection], Awaitable[int]]) -> int:
        """Run a statement that deletes a batch until it finds no full batch, and return how many rows went."""
        total = 0
        while True:
            deleted = await self._database.statement(delete)
            total += deleted
            if deleted < self._batch:
                return total

    async def _clean_up_and_log(self) -> None:
        done = await self.clean_up()
        log().info("booking_hold_cleanup", claims=done.claims, blocks=done.blocks)
