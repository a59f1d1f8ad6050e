"""How soon a saga went on after its owner's death, without the time that a bank kept its refund pending. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from devkit.chaos.ledger import PendingRefund, Takeover

#: The provider rounds instants down to whole seconds, so an instant may lie this much later than it says.
ROUNDED_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Recovery:
    """A saga whose owner was killed, and the Unix time of its next transition. `purchase` is the id of the sale's saga."""

    takeover: Takeover
    purchase: str
    moved_at: float


@dataclass(slots=True)
class RecoveryTimes:
    """The slowest recovery of a run, in seconds, and its saga.

    `at_banks` counts the recoveries that waited for a bank, and `longest_at_bank` is their longest wait. That time is
    not part of `slowest`.
    """

    slowest: float = 0.0
    saga: str = "none"
    at_banks: int = 0
    longest_at_bank: float = 0.0


def measure_recoveries(recoveries: Iterable[Recovery], pending_refunds: Sequence[PendingRefund]) -> RecoveryTimes:
    """Measure each saga's time from its owner's death to its next transition, without the time at a bank."""
    times = RecoveryTimes()
    for recovery in recoveries:
        at_bank = max((_overlap(recovery, pending) for pending in pending_refunds), default=0.0)
        seconds = recovery.moved_at - recovery.takeover.killed_at - at_bank
        times.at_banks += at_bank > 0
        times.longest_at_bank = max(times.longest_at_bank, at_bank)
        if seconds > times.slowest:
            times.slowest, times.saga = seconds, f"{recovery.takeover.saga}, then {recovery.takeover.state}"
    return times


def _overlap(recovery: Recovery, pending: PendingRefund) -> float:
    if pending.saga != recovery.purchase:
        return 0.0
    since = max(pending.since + ROUNDED_SECONDS, recovery.takeover.killed_at)
    return max(0.0, min(pending.until, recovery.moved_at) - since)
