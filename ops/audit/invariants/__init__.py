"""What must be true of a snapshot: pure functions without I/O, whose only clock is the snapshot's.

| module | invariants |
|---|---|
| `overbooking` | I1: calendars and seats are sold once |
| `money` | I2, I3, I4: captured money, refunds, and what can still be paid |
| `wakeups` | I5: no saga is forgotten |
| `duplicates` | I6: no effect exists more than once |
| `endings`, `enrollments`, `cancels` | I7: records fit the end of their saga |
| `provider_agreement` | I8: our payments and refunds equal the provider's |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ops.audit.invariants.duplicates import find_duplicates
from ops.audit.invariants.endings import find_wrong_endings
from ops.audit.invariants.money import find_excessive_refunds, find_payable_intents, find_unaccounted_money
from ops.audit.invariants.overbooking import find_overbooking
from ops.audit.invariants.provider_agreement import find_disagreements
from ops.audit.invariants.wakeups import find_forgotten_sagas
from ops.audit.snapshot import Breach, Snapshot

INVARIANTS: dict[str, Callable[[Snapshot], Iterator[Breach]]] = {
    "I1": find_overbooking,
    "I2": find_unaccounted_money,
    "I3": find_excessive_refunds,
    "I4": find_payable_intents,
    "I5": find_forgotten_sagas,
    "I6": find_duplicates,
    "I7": find_wrong_endings,
    "I8": find_disagreements,
}


def find_breaches(snapshot: Snapshot) -> list[Breach]:
    """Every breach, in the order of the invariants."""
    return [breach for invariant in INVARIANTS.values() for breach in invariant(snapshot)]
