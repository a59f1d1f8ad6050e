"""What a run remembers: what its clients saw and did, its faults, and its findings."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from devkit.chaos.orders import Order, Product, product_of
from devkit.chaos.plan import Journey


@dataclass(slots=True)
class View:
    """One booking or enrollment as its clients saw it. `statuses` are those that they saw, in order."""

    id: str
    student: int
    order: Order
    saga: str
    intent: str = ""
    secret: str = field(default="", repr=False)
    statuses: list[str] = field(default_factory=list)
    cancels: int = 0
    #: The refunds that answered cancels promised, in minor units.
    refunds: list[int] = field(default_factory=list)
    paid: bool = False
    final: str = ""

    @property
    def product(self) -> Product:
        return product_of(self.order)

    @property
    def name(self) -> str:
        """Its name in a finding."""
        return f"{self.product.noun} {self.id} (saga {self.saga})"

    def record_status(self, status: str) -> None:
        if self.statuses[-1:] != [status]:
            self.statuses.append(status)


@dataclass(frozen=True, slots=True)
class Takeover:
    """A saga whose owner was killed, and the seconds until another process claimed it."""

    saga: str
    state: str
    killed_at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class PendingRefund:
    """A refund that a bank kept pending, from its creation until it was paid out. `saga` is the purchase's id."""

    saga: str
    since: float
    until: float


@dataclass(slots=True)
class Ledger:
    """Everything that a run remembers. Instants are Unix seconds. `keys` has what each idempotency key gave."""

    views: dict[str, View] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    takeovers: list[Takeover] = field(default_factory=list)
    pending_refunds: list[PendingRefund] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    slowest_answer: float = 0.0

    def add_finding(self, what: str) -> None:
        """Add something that must not happen, with the present time."""
        self.findings.append(f"{time.strftime('%H:%M:%S', time.gmtime())} {what}")

    def view_of(self, sold_id: str, student: int, order: Order, saga: str) -> View:
        """The view of a booking or an enrollment; a new one when no client has seen it yet."""
        return self.views.setdefault(sold_id, View(sold_id, student, order, saga))

    def record_result(self, journey: Journey, sold_id: str) -> None:
        """Record what a journey's key gave. Another result for the same key is a finding."""
        first = self.keys.setdefault(journey.key, sold_id)
        if first != sold_id:
            self.add_finding(f"idempotency key {journey.key} gave {first}, then {sold_id}")

    def has_result(self, journey: Journey) -> bool:
        """True when the journey's key has given a booking or an enrollment."""
        return journey.key in self.keys
