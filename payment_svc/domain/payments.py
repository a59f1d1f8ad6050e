"""Money: what was received, what goes back, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid5

from mesh.money import Money
from payment_svc.domain.states import DeclineReason, PaymentStatus, RefundState, RefundStatus

#: The root of the ids that we derive from our own ids. Never change it: repeats would become new.
NAMESPACE = UUID("8f0a7a52-6a0e-4b8e-9c1f-3f5f0f3ad0aa")
#: The reason of a refund that somebody made at the provider.
MADE_AT_PROVIDER = "made_at_provider"
#: The provider that is asked what was paid.
STRIPE = "stripe"
#: Every other one: it calls us back. PAYMENT_ENGINES gives such providers their names.
CALLBACK = "callback"


@dataclass(frozen=True, slots=True)
class Received:
    """What the provider says was received."""

    amount_minor: int
    currency: str

    def is_exactly(self, price: Money) -> bool:
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
    told_as: UUID | None = None  # people are told once per this id; all tries of one decision share it
    is_new: bool = field(default=False, compare=False)  # this call made the row

    @property
    def ids(self) -> dict[str, object]:
        """What it is about, by the names of log lines."""
        return {"saga_id": self.saga_id, "payment_id": self.payment_id, "intent_id": self.payment_intent_id}


@dataclass(frozen=True, slots=True)
class RefundDecision:
    """How much goes back, of which intent, and why. Repeats under the same `name` are the same decision."""

    name: str
    intent_id: str
    amount: Money
    reason: str

    def refund_id(self, failed_before: int) -> UUID:
        """The id of the refund that carries out the decision: a new one after each that the provider failed."""
        return uuid5(NAMESPACE, f"refund:{self.name}:{failed_before}")

    def find_refund(self, known: list[Refund]) -> tuple[Refund | None, int]:
        """The refund in `known` that carries out the decision and has not failed, and how many have failed."""
        by_id = {refund.id: refund for refund in known}
        failed = 0
        while (refund := by_id.get(self.refund_id(failed))) is not None:
            if refund.status is not RefundStatus.FAILED:
                return refund, failed
            failed += 1
        return None, failed

    def told_as(self, given_up: int) -> UUID:
        """The id under which people are told about this decision, since a person last had it tried again.

        `given_up` counts the refunds that had failed by then.
        """
        return self.refund_id(given_up)

    def is_done(self, known: list[Refund], received_minor: int) -> bool:
        """True when the decision's refund has succeeded, or refunds of all that was received have."""
        ours, _ = self.find_refund(known)
        succeeded = [refund for refund in known if refund.status is RefundStatus.SUCCEEDED]
        return ours in succeeded or sum(refund.amount.amount_minor for refund in succeeded) >= received_minor


def imported_refund_id(provider_refund_id: str) -> UUID:
    """Our id for a refund that somebody made at the provider."""
    return uuid5(NAMESPACE, f"import:{provider_refund_id}")


def refund_case_id(decision: RefundDecision, given_up: int) -> UUID:
    """The id of the case that waits for a person because this decision's refunds have failed.

    `given_up` counts those that had failed by the last case of the decision, so that whoever gives up opens the same one.
    """
    return uuid5(NAMESPACE, f"refund case:{decision.name}:{given_up}")


def dispute_case_id(dispute_id: str) -> UUID:
    """The id of the case that waits for a person because of a dispute."""
    return uuid5(NAMESPACE, f"dispute:{dispute_id}")


@dataclass(frozen=True, slots=True)
class Payment:
    """What a purchase costs and what became of it.

    `refunded_minor` counts refunds that have succeeded, `pending_minor` those on their way.
    """

    id: UUID
    saga_id: UUID
    sold_id: UUID  # the booking or the enrollment that it pays for
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
    pending_minor: int = 0
    refund_state: RefundState = RefundState.NONE
    charged_back: bool = False  # a dispute was lost: the money went back to the cardholder through the bank
    refunds: tuple[Refund, ...] = ()
    provider_session_id: str = ""  # the provider's own name of its session; empty: the intent's id is the name
    payment_url: str = field(default="", repr=False)  # where its student pays; empty when the provider named none
    declined: int = 0  # how many attempts to pay it were declined
    known_reason: DeclineReason | None = None  # why the latest of them was, when it is known
    provider: str = STRIPE
    payable_until: datetime | None = None  # the end of its hold, as the student was shown it, while it can be paid

    @property
    def decline_reason(self) -> DeclineReason | None:
        """Why the latest attempt was declined; None when none was, and once it is paid."""
        if self.stored_status is PaymentStatus.SUCCEEDED:
            return None
        has_declined = self.declined > 0 or self.stored_status is PaymentStatus.FAILED
        return self.known_reason or (DeclineReason.OTHER if has_declined else None)

    def attempts_left(self, most: int) -> int | None:
        """Of `most` attempts. None when nothing can be paid any more, or a provider that calls us back counts them."""
        if self.stored_status is PaymentStatus.FAILED:
            return 0
        counts = self.stored_status is PaymentStatus.PENDING and self.provider == STRIPE
        return max(most - self.declined, 0) if counts else None

    @property
    def given_minor(self) -> int:
        """What is back or on its way back."""
        return self.refunded_minor + self.pending_minor

    @property
    def left_minor(self) -> int:
        """What can still be given back."""
        return 0 if self.charged_back else self.received_minor - self.given_minor

    @property
    def status(self) -> PaymentStatus:
        if self.stored_status is not PaymentStatus.SUCCEEDED or not self.refunded_minor:
            return self.stored_status
        is_whole = self.refunded_minor >= self.received_minor
        return PaymentStatus.REFUNDED if is_whole else PaymentStatus.PARTIALLY_REFUNDED
