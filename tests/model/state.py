"""Everything that outlives a process, as plain values: it can be copied, compared, and gone back to."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from payment_svc.domain import Intent, ProviderEvent, ProviderRefund, Refund, Saga

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)
GRACE = timedelta(seconds=20)
LESSON = EPOCH + timedelta(hours=30)


class PaymentRow(NamedTuple):
    """A row of payment_svc's payment table."""

    id: UUID
    saga_id: UUID
    amount_minor: int
    currency: str
    status: str
    intent_id: str
    received_minor: int


class EventRow(NamedTuple):
    """A row of payment_svc's stripe_event table."""

    id: str
    saga_id: UUID
    intent_id: str
    status: str
    attempt: int = 0
    wake_at: datetime | None = None


class Held(NamedTuple):
    """A hold as its service remembers it; whether it still has its time is told by the claims."""

    slot: str
    student: str
    expires_at: datetime
    state: str = "HELD"


class Enrolled(NamedTuple):
    """An enrollment as its service remembers it; a tombstone has no hold."""

    saga: str
    student: str
    status: str
    expires_at: datetime | None
    has_seat: bool


class Kept(NamedTuple):
    """The provider's intent with what only it knows."""

    intent: Intent
    failed_charges: tuple[str, ...] = ()


@dataclass(slots=True)
class State:
    """The databases of all services, the provider, what is on its way, and the processes (tests/model/clockwork.py)."""

    now: datetime = EPOCH
    # payment_svc
    sagas: dict[UUID, Saga] = field(default_factory=dict)
    keys: dict[tuple[UUID, str], tuple[UUID, bytes, datetime]] = field(default_factory=dict)
    payments: dict[UUID, PaymentRow] = field(default_factory=dict)
    refunds: dict[UUID, Refund] = field(default_factory=dict)
    events: dict[str, EventRow] = field(default_factory=dict)
    # the services it calls
    holds: dict[str, Held | None] = field(default_factory=dict)  # None: a tombstone
    claims: dict[str, str] = field(default_factory=dict)  # by saga, on the calendars of its hold
    bookings: dict[str, tuple[str, str]] = field(default_factory=dict)  # saga and status
    sessions: dict[str, tuple[str, str]] = field(default_factory=dict)
    enrollments: dict[str, Enrolled] = field(default_factory=dict)
    # Stripe
    intents: dict[str, Kept] = field(default_factory=dict)
    provider_refunds: dict[str, tuple[str, ProviderRefund]] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)  # by idempotency key
    on_their_way: dict[str, ProviderEvent] = field(default_factory=dict)
    delivered: dict[str, ProviderEvent] = field(default_factory=dict)
    # the processes, and what may still happen
    actors: dict[int, Any] = field(default_factory=dict)
    budget: dict[str, int] = field(default_factory=dict)
    ended: dict[UUID, str] = field(default_factory=dict)
    ids: int = 0
    stage: int = 0
    #: How refunds go: the provider's mood. "refused": it makes none.
    refund_status: str = "succeeded"

    def copy(self) -> State:
        """The same, to be changed by itself: rows are immutable, tables are copied."""
        values = (getattr(self, name) for name in _NAMES)
        return State(*(value.copy() if isinstance(value, dict) else value for value in values))

    def fingerprint(self) -> int:
        """The same for two states in which the same can happen; good within this process."""
        return hash(tuple(_mark(getattr(self, name)) for name in _NAMES))

    def tables(self) -> int:
        """The same for two states that differ at most in the processes and in what may still happen."""
        return hash(tuple(_mark(getattr(self, name)) for name in _NAMES if name not in ("actors", "budget")))

    def spend(self, what: str) -> None:
        self.budget[what] -= 1

    def may(self, what: str) -> bool:
        return self.budget.get(what, 0) > 0


_NAMES = tuple(item.name for item in fields(State))
_seen: dict[int, tuple[Any, int]] = {}


def _mark(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return frozenset((key, _row_mark(row)) for key, row in value.items()) if value else None


def _row_mark(row: Any) -> int:
    """The hash of a row's repr, made once: rows are immutable."""
    known = _seen.get(id(row))
    if known is None or known[0] is not row:
        known = _seen[id(row)] = (row, hash(repr(row)))
    return known[1]


def forget_marks() -> None:
    """Let go of the rows of states that nobody goes back to."""
    _seen.clear()
