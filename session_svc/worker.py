"""The completer: a lesson whose time has passed becomes COMPLETED by itself."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from mesh.logs import log
from mesh.loops import jitter, run_forever
from session_svc.store import Store

EVERY_SECONDS = 60.0
BATCH = 500


class Completer:
    """Completes what ended longer than `after` ago, in batches, waiting for nobody: any number of replicas may run one.

    A lesson somebody is cancelling at that moment is left to them, and looked at again in the next round.
    """

    def __init__(
        self, store: Store, after: timedelta = timedelta(0), *, every: float = EVERY_SECONDS, batch: int = BATCH
    ) -> None:
        self._store, self._after = store, after
        self._every, self._batch = every, batch

    async def run(self) -> None:
        """Complete until cancelled; the first time within a twentieth of the interval, so that replicas spread out."""
        await asyncio.sleep(jitter(self._every, 0.0, 0.05))
        await run_forever("completing", self._complete_and_log, self._every)

    async def complete(self) -> int:
        """Complete all that are over now; how many. Raises TryAgain, Overloaded."""
        total = 0
        while True:
            completed = await self._store.complete_over(self._after, self._batch)
            total += completed
            if completed < self._batch:
                return total

    async def _complete_and_log(self) -> None:
        completed = await self.complete()
        if completed:
            log().info("sessions_completed", sessions=completed)
