"""What the clients were told, kept to be compared with what became of it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class View:
    """One booking as its clients saw it: each status they were told, in order, and what they did."""

    booking: str
    student: int
    tutor: int
    saga: str
    intent: str = ""
    secret: str = field(default="", repr=False)
    told: list[str] = field(default_factory=list)
    cancels: int = 0
    #: What each answered cancel said goes back, in minor units.
    refunds: list[int] = field(default_factory=list)
    paid: bool = False
    final: str = ""

    def hears(self, status: str) -> None:
        if self.told[-1:] != [status]:
            self.told.append(status)


@dataclass(frozen=True, slots=True)
class Orphan:
    """A saga whose owner was killed in a state, and how long it took until another had it."""

    saga: str
    state: str
    killed_at: float
    seconds: float


@dataclass(slots=True)
class Ledger:
    """Everything that a run remembers. Times are Unix seconds."""

    views: dict[str, View] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    orphans: list[Orphan] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    slowest_answer: float = 0.0

    def finds(self, what: str) -> None:
        """Note something that must not be, with the time it was seen."""
        self.findings.append(f"{time.strftime('%H:%M:%S', time.gmtime())} {what}")

    def is_told_of(self, booking: str, student: int, tutor: int, saga: str) -> View:
        """The view of a booking; a new one when nobody has been told of it before."""
        return self.views.setdefault(booking, View(booking, student, tutor, saga))

    def gave(self, key: str, booking: str) -> None:
        """A key gave this booking: it must never give another."""
        first = self.keys.setdefault(key, booking)
        if first != booking:
            self.finds(f"idempotency key {key} gave booking {first}, then {booking}")
