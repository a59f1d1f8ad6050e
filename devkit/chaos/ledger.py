"""What the clients were told, kept to be compared with what became of it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from devkit.chaos.plan import Journey
from devkit.chaos.wares import Ware, Wish, ware


@dataclass(slots=True)
class View:
    """One booking or enrollment as its clients saw it: each status they were told, in order, and what they did."""

    id: str
    student: int
    wish: Wish
    saga: str
    intent: str = ""
    secret: str = field(default="", repr=False)
    told: list[str] = field(default_factory=list)
    cancels: int = 0
    #: What each answered cancel said goes back, in minor units.
    refunds: list[int] = field(default_factory=list)
    paid: bool = False
    final: str = ""

    @property
    def ware(self) -> Ware:
        return ware(self.wish)

    @property
    def name(self) -> str:
        """What it is called in a finding."""
        return f"{self.ware.noun} {self.id} (saga {self.saga})"

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


@dataclass(frozen=True, slots=True)
class Pending:
    """A refund that a bank sat on, from when it was asked for until it was paid out. `saga` is the purchase's."""

    saga: str
    since: float
    until: float


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
    pendings: list[Pending] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    slowest_answer: float = 0.0

    def finds(self, what: str) -> None:
        """Note something that must not be, with the time it was seen."""
        self.findings.append(f"{time.strftime('%H:%M:%S', time.gmtime())} {what}")

    def is_told_of(self, thing: str, student: int, wish: Wish, saga: str) -> View:
        """The view of a booking or an enrollment; a new one when nobody has been told of it before."""
        return self.views.setdefault(thing, View(thing, student, wish, saga))

    def gave(self, journey: Journey, thing: str) -> None:
        """A journey's key gave this: it must never give another."""
        first = self.keys.setdefault(journey.key, thing)
        if first != thing:
            self.finds(f"idempotency key {journey.key} gave {first}, then {thing}")

    def was_given(self, journey: Journey) -> bool:
        """True once its key gave something."""
        return journey.key in self.keys
