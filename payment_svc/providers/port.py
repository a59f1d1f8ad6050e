"""The port to whoever takes the money: what this service asks of a payment engine, and what it is told.

An intent ends once, succeeded or canceled, and never comes back from there. Names and states are Stripe's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from mesh.money import Money
from payment_svc.domain import Paid, ProviderUnavailable, Refund, RefundStatus, Saga


class OutcomeUnknown(ProviderUnavailable):
    """The engine gave no answer that can be trusted: it may or may not have happened."""


class ProviderRefused(Exception):
    """The engine understood and refused; nothing happened."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(f"{code}: {message}")


@dataclass(frozen=True, slots=True)
class Intent:
    """A PaymentIntent: what an engine is to collect for one saga, and how that stands."""

    id: str
    status: str
    client_secret: str
    amount: int
    currency: str
    received: int
    saga_id: UUID | None
    payment_id: UUID | None
    failed_charge: str | None

    @property
    def succeeded(self) -> bool:
        return self.status == "succeeded"

    @property
    def canceled(self) -> bool:
        return self.status == "canceled"

    @property
    def paid(self) -> Paid:
        return Paid(self.received, self.currency)


@dataclass(frozen=True, slots=True)
class ProviderRefund:
    """A refund as its engine tells it."""

    id: str
    status: str
    amount: int
    currency: str
    refund_id: str

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


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """A verified event about a PaymentIntent, a charge or a refund, in Stripe's words."""

    id: str
    type: str
    livemode: bool
    intent_id: str
    saga_id: UUID | None
    object: str  # what the event is about: "payment_intent", "charge", "refund", "dispute"
    status: str  # of that object
    intent: Intent | None  # the snapshot; only of payment_intent.* events


class PaymentEngine(Protocol):
    """An engine. Each call raises OutcomeUnknown or ProviderRefused, and is made once; who calls decides on retries."""

    async def create_intent(self, saga: Saga, price: Money) -> Intent:
        """The saga's intent. Repeats give the first answer, which may be old news."""

    async def find_intent(self, saga: Saga) -> Intent | None:
        """The intent that was made for the saga, if one was."""

    async def retrieve_intent(self, intent_id: str) -> Intent:
        """The intent as it is now."""

    async def cancel_intent(self, intent_id: str) -> Intent:
        """The intent after cancelling it, or as it is when it can no longer be cancelled."""

    async def failed_charges(self, intent_id: str) -> set[str]:
        """What names the attempts to pay an intent that were declined."""

    async def create_refund(self, refund: Refund) -> ProviderRefund:
        """Have money given back. Repeats give the first answer."""

    async def find_refund(self, refund: Refund) -> ProviderRefund | None:
        """The engine's refund for this refund of ours."""

    async def refunds(self, intent_id: str) -> list[ProviderRefund]:
        """An intent's refunds, newest first; at most 100."""

    async def disputes(self, intent_id: str) -> list[Dispute]:
        """An intent's disputes, newest first; at most 100."""
