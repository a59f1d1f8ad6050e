"""Money: what was received, what goes back, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid5

from mesh.money import Money
from payment_svc.domain.states import PaymentStatus, RefundStatus

#: Names what we derive from our own ids; never change it, or repeats stop being repeats.
NAMESPACE = UUID("8f0a7a52-6a0e-4b8e-9c1f-3f5f0f3ad0aa")


@dataclass(frozen=True, slots=True)
class Paid:
    """What the provider says was received."""

    amount_minor: int
    currency: str

    def settles(self, price: Money) -> bool:
        return (self.amount_minor, self.currency) == (price.amount_minor, price.currency)


@dataclass(frozen=True, slots=True)
class Refund:
    """Money on its way back from one PaymentIntent."""

    id: UUID
    payment_id: UUID
    saga_id: UUID
    payment_intent_id: str
    amount: Money
    status: RefundStatus
    reason: str
    provider_refund_id: str | None = None
    is_new: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class GiveBack:
    """A decision to give money back: how much, of which intent, why. `name` makes repeats of it the same decision."""

    name: str
    intent_id: str
    amount: Money
    reason: str

    def refund_id(self, failed_before: int) -> UUID:
        """The id of the refund that carries it out; another one after each that the provider failed."""
        return uuid5(NAMESPACE, f"refund:{self.name}:{failed_before}")


def everything_of(intent_id: str, paid: Paid, reason: str) -> GiveBack:
    """All of an intent: whoever decides on it, at once or again, decides on the same."""
    return GiveBack(f"{intent_id}:full", intent_id, Money(paid.amount_minor, paid.currency), reason)


def imported_refund_id(provider_refund_id: str) -> UUID:
    """Our id for a refund that somebody made at the provider."""
    return uuid5(NAMESPACE, f"import:{provider_refund_id}")


def dispute_case_id(dispute_id: str) -> UUID:
    """The id of the case that waits for a person because of a dispute."""
    return uuid5(NAMESPACE, f"dispute:{dispute_id}")


@dataclass(frozen=True, slots=True)
class Payment:
    """What a purchase costs and what became of it. `refunded_minor` counts refunds that have not failed.

    `booking_id` is the booking or the enrollment that it pays for.
    """

    id: UUID
    saga_id: UUID
    booking_id: UUID
    session_id: UUID | None
    student_id: UUID
    tutor_id: UUID | None
    amount: Money
    stored_status: PaymentStatus
    context: str
    context_id: UUID
    intent_id: str
    received_minor: int
    disputed: bool
    created_at: datetime
    refunded_minor: int
    refunds: tuple[Refund, ...] = ()

    @property
    def status(self) -> PaymentStatus:
        if self.stored_status is not PaymentStatus.SUCCEEDED or not self.refunded_minor:
            return self.stored_status
        whole = self.refunded_minor >= self.received_minor
        return PaymentStatus.REFUNDED if whole else PaymentStatus.PARTIALLY_REFUNDED
