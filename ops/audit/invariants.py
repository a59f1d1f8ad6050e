"""All invariants over one snapshot. Pure: no I/O, no clock but the snapshot's."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ops.audit.books import unequal_books
from ops.audit.flows import forgotten_sagas, untrue_ends
from ops.audit.money import excessive_refunds, payable_after_the_end, unaccounted_money
from ops.audit.slots import repeated_effects, sold_twice
from ops.audit.snapshot import Breach, Snapshot

INVARIANTS: dict[str, Callable[[Snapshot], Iterator[Breach]]] = {
    "I1": sold_twice,
    "I2": unaccounted_money,
    "I3": excessive_refunds,
    "I4": payable_after_the_end,
    "I5": forgotten_sagas,
    "I6": repeated_effects,
    "I7": untrue_ends,
    "I8": unequal_books,
}


def breaches(snapshot: Snapshot) -> list[Breach]:
    """Every breach of every invariant, in their order."""
    return [breach for invariant in INVARIANTS.values() for breach in invariant(snapshot)]
