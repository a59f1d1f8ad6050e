"""How soon a saga moved on after its owner's death; the time that a bank sat on its refund is not ours. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from devkit.chaos.ledger import Orphan, Pending

#: The provider tells instants in whole seconds, rounded down: what it calls later may be sooner by as much.
ROUNDED_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Recovery:
    """A saga whose owner was killed, and its next committed move, a Unix time; `purchase` is the saga that sold."""

    orphan: Orphan
    purchase: str
    moved_at: float


@dataclass(slots=True)
class Pace:
    """The slowest of a run: seconds of ours, whose they were, and for how many a bank was waited for, the longest."""

    slowest: float = 0.0
    saga: str = "none"
    at_banks: int = 0
    longest_at_bank: float = 0.0


def paced(recoveries: Iterable[Recovery], pendings: Sequence[Pending]) -> Pace:
    """The slowest next move after an owner's death, each without the time that a bank sat on the saga's refund."""
    pace = Pace()
    for recovery in recoveries:
        at_bank = max((_overlap(recovery, pending) for pending in pendings), default=0.0)
        seconds = recovery.moved_at - recovery.orphan.killed_at - at_bank
        pace.at_banks += at_bank > 0
        pace.longest_at_bank = max(pace.longest_at_bank, at_bank)
        if seconds > pace.slowest:
            pace.slowest, pace.saga = seconds, f"{recovery.orphan.saga}, then {recovery.orphan.state}"
    return pace


def _overlap(recovery: Recovery, pending: Pending) -> float:
    if pending.saga != recovery.purchase:
        return 0.0
    since = max(pending.since + ROUNDED_SECONDS, recovery.orphan.killed_at)
    return max(0.0, min(pending.until, recovery.moved_at) - since)
