"""Everything the mesh and the payment provider say at about one time, as plain values. Ids are the wire's strings."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import NamedTuple, TypeVar

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

PURCHASE = "BookAndPayForSessionSaga"
PARKED = "PARKED"
#: A PaymentIntent that can still become paid (Stripe: PaymentIntent statuses).
PAYABLE = frozenset(
    {"requires_payment_method", "requires_confirmation", "requires_action", "processing", "requires_capture"}
)


class Amount(NamedTuple):
    """Minor units and a currency, whatever they are: the audit also looks at what should not be."""

    minor: int
    currency: str

    def __str__(self) -> str:
        return f"{self.minor} {self.currency}"


@dataclass(frozen=True, slots=True)
class Claim:
    """A live claim on a calendar; `state` is HELD, CONFIRMED or BLOCKED, `saga_id` is empty for a block."""

    id: str
    calendar_id: str
    saga_id: str
    state: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking; `status` as in BookingStatus, without its prefix."""

    id: str
    saga_id: str
    status: str
    tutor_id: str
    student_id: str
    start: datetime
    end: datetime
    price: Amount
    block_id: str
    session_id: str
    payment_id: str


@dataclass(frozen=True, slots=True)
class Session:
    """A session; `status` as in SessionStatus, without its prefix."""

    id: str
    saga_id: str
    booking_id: str
    status: str
    tutor_id: str
    student_id: str
    start: datetime
    minutes: int


@dataclass(frozen=True, slots=True)
class Saga:
    """A saga; `price` is None until the slot was held, `intent_id` empty while there is none."""

    id: str
    kind: str
    state: str
    is_complete: bool
    tutor_id: str
    student_id: str
    start: datetime
    minutes: int
    booking_id: str
    session_id: str
    payment_id: str
    intent_id: str
    price: Amount | None
    error: str
    wake_at: datetime | None

    @property
    def is_open(self) -> bool:
        """True while it is driven, or will be, without anybody's help."""
        return not self.is_complete and self.state != PARKED

    @property
    def sells_a_lesson(self) -> bool:
        return self.kind == PURCHASE


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund as payment_svc tells it; `status` is PENDING, SUCCEEDED or FAILED, `provider_id` may be empty."""

    id: str
    provider_id: str
    intent_id: str
    minor: int
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as payment_svc tells it; `status` as in PaymentStatus, without its prefix."""

    id: str
    saga_id: str
    booking_id: str
    session_id: str
    intent_id: str
    status: str
    amount: Amount
    received_minor: int
    refunds: tuple[Refund, ...] = ()


@dataclass(frozen=True, slots=True)
class ProviderRefund:
    """A refund as the provider tells it; `refund_id` is ours, empty when it was made by hand."""

    id: str
    status: str
    minor: int
    refund_id: str


@dataclass(frozen=True, slots=True)
class Intent:
    """A PaymentIntent with our metadata as the provider tells it."""

    id: str
    status: str
    amount: Amount
    received_minor: int
    saga_id: str
    payment_id: str
    refunds: tuple[ProviderRefund, ...] = ()

    @property
    def is_payable(self) -> bool:
        return self.status in PAYABLE


@dataclass(frozen=True)
class Snapshot:
    """What there is. `taken_at` is this process's clock, good to judge minutes by, not seconds."""

    taken_at: datetime
    sagas: tuple[Saga, ...] = ()
    claims: tuple[Claim, ...] = ()
    bookings: tuple[Booking, ...] = ()
    sessions: tuple[Session, ...] = ()
    payments: tuple[Payment, ...] = ()
    intents: tuple[Intent, ...] = ()

    @cached_property
    def saga_by_id(self) -> dict[str, Saga]:
        return {saga.id: saga for saga in self.sagas}

    @cached_property
    def booking_by_id(self) -> dict[str, Booking]:
        return {booking.id: booking for booking in self.bookings}

    @cached_property
    def session_by_id(self) -> dict[str, Session]:
        return {session.id: session for session in self.sessions}

    @cached_property
    def payment_by_id(self) -> dict[str, Payment]:
        return {payment.id: payment for payment in self.payments}

    @cached_property
    def intent_by_id(self) -> dict[str, Intent]:
        return {intent.id: intent for intent in self.intents}

    @cached_property
    def claims_by_saga(self) -> dict[str, list[Claim]]:
        return grouped(self.claims, lambda claim: claim.saga_id)

    @cached_property
    def bookings_by_saga(self) -> dict[str, list[Booking]]:
        return grouped(self.bookings, lambda booking: booking.saga_id)

    @cached_property
    def sessions_by_saga(self) -> dict[str, list[Session]]:
        return grouped(self.sessions, lambda session: session.saga_id)

    @cached_property
    def refunds_by_intent(self) -> dict[str, list[Refund]]:
        """Our refunds by the intent they give back from."""
        refunds = (refund for payment in self.payments for refund in payment.refunds)
        return grouped(refunds, lambda refund: refund.intent_id)

    @cached_property
    def _busy(self) -> frozenset[str]:
        return frozenset(saga.booking_id for saga in self.sagas if saga.is_open)

    def is_in_flight(self, saga: Saga) -> bool:
        """True while this saga, or another on the same booking, is at work: its things need not agree yet."""
        return saga.booking_id in self._busy

    def is_at_rest(self, saga_id: str) -> bool:
        """True when nobody works on the things of this saga, also because there is no such saga."""
        saga = self.saga_by_id.get(saga_id)
        return saga is None or not self.is_in_flight(saga)

    def counted(self) -> dict[str, int]:
        """How many of each kind there are."""
        refunds = sum(len(intent.refunds) for intent in self.intents)
        kinds = ("sagas", "claims", "bookings", "sessions", "payments", "intents")
        return {**{kind: len(getattr(self, kind)) for kind in kinds}, "refunds": refunds}


@dataclass(frozen=True, slots=True)
class Breach:
    """One fact that breaks an invariant. `ids` names what it is about; the words hold nothing that changes alone."""

    invariant: str
    ids: tuple[str, ...]
    what: str
    do: str = field(compare=False)


def grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """The items by their key, in the order they came."""
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
