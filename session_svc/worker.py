"""The completer: it completes the sessions whose lesson is over."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from mesh.logs import log
from mesh.loops import jitter, run_forever
from session_svc.store import Store

EVERY_SECONDS = 60.0
BATCH = 500


class Completer:
    """Completes sessions whose lesson ended at least `after` ago, in batches. Each replica may run one.

    It waits for no lock: a session that another transaction is changing is left for the next round.
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
        """Complete every session that is due now, and return how many. Raises TryAgain, Overloaded."""
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
