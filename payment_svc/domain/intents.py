"""What a payment provider tells us: intents, refunds, disputes, events. The words and states are Stripe's."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from payment_svc.domain.payments import Received, Refund
from payment_svc.domain.states import DeclineReason, RefundStatus


@dataclass(frozen=True, slots=True)
class Intent:
    """A PaymentIntent: what a provider is to collect for one saga, and how that stands.

    An intent ends once, succeeded or canceled, and stays so.
    """

    id: str
    status: str
    client_secret: str = field(repr=False)
    amount: int  # minor units
    currency: str
    received: int  # minor units
    saga_id: UUID | None
    payment_id: UUID | None
    failed_charge: str | None  # the id of the latest attempt, when it was declined
    has_failed: bool = False  # it is canceled because the provider says that it will not be paid
    decline_reason: DeclineReason | None = None  # why the latest attempt was declined, with or without a charge
    has_refunds: bool | None = None  # None: nobody has said

    @property
    def succeeded(self) -> bool:
        return self.status == "succeeded"

    @property
    def canceled(self) -> bool:
        return self.status == "canceled"

    @property
    def has_ended(self) -> bool:
        return self.succeeded or self.canceled

    @property
    def money(self) -> Received:
        return Received(self.received, self.currency)

    @classmethod
    def paid(cls, intent_id: str, received: Received) -> Intent:
        """An intent that is known to have succeeded. Nobody needs to be asked about it: it stays so."""
        return cls._ended(intent_id, "succeeded", received)

    @classmethod
    def gone(cls, intent_id: str, currency: str) -> Intent:
        """An intent that its provider does not know, as the canceled one that it amounts to: nobody can pay it."""
        return cls._ended(intent_id, "canceled", Received(0, currency))

    @classmethod
    def _ended(cls, intent_id: str, status: str, received: Received) -> Intent:
        minor = received.amount_minor
        return cls(
            intent_id, status, "", minor, received.currency, minor, saga_id=None, payment_id=None, failed_charge=None
        )


@dataclass(frozen=True, slots=True)
class ProviderRefund:
    """A refund as its provider tells it."""

    id: str
    status: str
    amount: int
    currency: str
    refund_id: str  # our id for it; empty when somebody made it at the provider

    def carries_out(self, refund: Refund) -> bool:
        """True when it has the name of this refund of ours, and its amount. Anybody can give it a name at the provider."""
        amount = refund.amount
        return (self.refund_id, self.amount, self.currency) == (str(refund.id), amount.amount_minor, amount.currency)

    @property
    def meaning(self) -> RefundStatus:
        if self.status == "succeeded":
            return RefundStatus.SUCCEEDED
        return RefundStatus.FAILED if self.status in ("failed", "canceled") else RefundStatus.PENDING


@dataclass(frozen=True, slots=True)
class Dispute:
    """A charge that its cardholder disputes."""

    id: str
    status: str

    @property
    def is_open(self) -> bool:
        return self.status not in ("won", "lost", "warning_closed", "prevented")

    @property
    def is_lost(self) -> bool:
        return self.status == "lost"


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """A verified event about a PaymentIntent, a charge, a refund or a dispute."""

    id: str
    type: str
    livemode: bool
    intent_id: str
    saga_id: UUID | None
    object: str  # what the event is about: payment_intent, charge, refund or dispute
    status: str  # the status of that object
    intent: Intent | None  # the intent as it was then; only in payment_intent.* events
    unreadable: str = ""  # why that object cannot be read; nothing of it is believed then
    created: int = 0  # when the provider made the event, Unix time in seconds; 0 when it does not say


@dataclass(frozen=True, slots=True)
class EventSummary:
    """The parts of an event that are stored."""

    event_id: str
    type: str
    intent_id: str
    saga_id: UUID | None
