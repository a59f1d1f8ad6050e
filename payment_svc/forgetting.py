"""What is deleted in time: idempotency keys of yesterday, and sales that were refused and booked nothing."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from mesh.loops import run_forever
from payment_svc.store import KeyStore, RefusedStore

PAUSE_SECONDS = 600.0
BATCH = 500


@dataclass(frozen=True, slots=True)
class Forgetting:
    """The loops that delete. A refused sale is kept for `refused_seconds`, so that people can ask about it."""

    keys: KeyStore
    refused: RefusedStore
    refused_seconds: float

    async def forget_keys(self) -> bool:
        """Delete a batch of old keys; True when there may be more."""
        return await self.keys.forget_old(BATCH) == BATCH

    async def forget_refused(self) -> bool:
        """Delete a batch of refused sales; True when there may be more."""
        return await self.refused.forget_old(self.refused_seconds, BATCH) == BATCH

    def loops(self) -> list[Coroutine[Any, Any, None]]:
        """The loops, to be run until cancelled."""
        return [
            run_forever("forget_keys", self.forget_keys, PAUSE_SECONDS),
            run_forever("forget_refused", self.forget_refused, PAUSE_SECONDS),
        ]
