"""Look again before a breach is believed: what is seen while work is in flight need not agree."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ops.audit.invariants import breaches
from ops.audit.snapshot import Breach, Snapshot

#: Seconds before each further look; two seconds in all.
PAUSES = (0.5, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What every look has seen, and how much there was at the last, begun at `looked_at`."""

    looked_at: datetime
    counted: dict[str, int]
    breaches: tuple[Breach, ...]


async def judged(look: Callable[[], Awaitable[Snapshot]], pauses: Sequence[float] = PAUSES) -> Verdict:
    """The breaches found in every look; one look is enough when it finds none."""
    snapshot = await look()
    found = breaches(snapshot)
    for pause in pauses:
        if not found:
            break
        await asyncio.sleep(pause)
        snapshot = await look()
        again = set(breaches(snapshot))
        found = [breach for breach in found if breach in again]
    return Verdict(snapshot.taken_at, snapshot.counted(), tuple(found))
