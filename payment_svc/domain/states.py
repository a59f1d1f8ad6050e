"""Where sagas, payments and refunds stand, and where they may go from there."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a saga stands."""

    AWAITING_AVAILABILITY = "AWAITING_AVAILABILITY"
    AWAITING_PAYMENT = "AWAITING_PAYMENT"
    BOOKING_SESSION = "BOOKING_SESSION"
    COMPENSATING = "COMPENSATING"
    PARKED = "PARKED"
    COMPLETED = "COMPLETED"
    REJECTED = "REJECTED"
    PAYMENT_FAILED = "PAYMENT_FAILED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"
    REFUNDED = "REFUNDED"


ENDS = frozenset(
    {State.COMPLETED, State.REJECTED, State.PAYMENT_FAILED, State.EXPIRED, State.CANCELLED, State.REFUNDED}
)
_UNDONE = {State.PAYMENT_FAILED, State.EXPIRED, State.CANCELLED, State.REFUNDED}
_RUNNING = {State.AWAITING_AVAILABILITY, State.AWAITING_PAYMENT, State.BOOKING_SESSION, State.COMPENSATING}

#: The legal transitions. Two of them need a word:
#: COMPENSATING → BOOKING_SESSION: the intent was paid while the saga cancelled it.
#: COMPENSATING → REJECTED: a hold was refused, but an earlier try had to be undone first; or a cancel is withdrawn,
#: because the lesson took place meanwhile.
TRANSITIONS: dict[State, set[State]] = {
    State.AWAITING_AVAILABILITY: {
        State.AWAITING_PAYMENT,
        State.BOOKING_SESSION,
        State.REJECTED,
        State.COMPENSATING,
        State.PARKED,
    },
    State.AWAITING_PAYMENT: {State.BOOKING_SESSION, State.COMPENSATING, State.PARKED},
    State.BOOKING_SESSION: {State.COMPLETED, State.COMPENSATING, State.PARKED},
    State.COMPENSATING: {State.BOOKING_SESSION, State.REJECTED, State.PARKED, *_UNDONE},
    State.PARKED: {*_RUNNING, State.COMPLETED, *_UNDONE},
}


class Undo(StrEnum):
    """Why a saga is undone."""

    REFUSED = "REFUSED"  # the hold was refused, but an earlier try may have got it, or may still arrive
    EXPIRED = "EXPIRED"  # the hold ended unpaid
    DECLINED = "DECLINED"  # every attempt at payment failed
    PROVIDER_REFUSED = "PROVIDER_REFUSED"  # the provider takes no payment of this amount
    SLOT_LOST = "SLOT_LOST"  # paid, but the slot belongs to somebody else now
    AMOUNT_MISMATCH = "AMOUNT_MISMATCH"  # paid, but another amount than the price
    CANCELLED = "CANCELLED"  # cancelled by a person, or at the provider

    @property
    def yields_to_payment(self) -> bool:
        """True when a payment that arrives during the undo still buys the lesson."""
        return self in (Undo.EXPIRED, Undo.DECLINED)


#: How a booking ends for each reason, when no payment comes.
END_OF_UNDO = {
    Undo.REFUSED: State.CANCELLED,
    Undo.EXPIRED: State.EXPIRED,
    Undo.DECLINED: State.PAYMENT_FAILED,
    Undo.PROVIDER_REFUSED: State.PAYMENT_FAILED,
    Undo.SLOT_LOST: State.CANCELLED,
    Undo.AMOUNT_MISMATCH: State.CANCELLED,
    Undo.CANCELLED: State.CANCELLED,
}


class PaymentStatus(StrEnum):
    """Where a payment stands. The last two are derived from its refunds and never stored."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"


class DeclineReason(StrEnum):
    """Why an attempt to pay was declined, in a word that may be shown. A provider's own words are never shown."""

    CARD_DECLINED = "CARD_DECLINED"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    AUTHENTICATION_REQUIRED = "AUTHENTICATION_REQUIRED"
    EXPIRED_CARD = "EXPIRED_CARD"
    INCORRECT_DETAILS = "INCORRECT_DETAILS"
    PROCESSING_ERROR = "PROCESSING_ERROR"
    OTHER = "OTHER"


class RefundState(StrEnum):
    """How far the money of one payment has come on its way back. It is derived from its refunds and sagas."""

    NONE = "NONE"  # nothing is to go back
    PENDING = "PENDING"  # on its way
    PAID = "PAID"  # the latest refund has succeeded
    FAILED = "FAILED"  # the latest refund has failed; another try follows, or a person has closed the matter
    NEEDS_REVIEW = "NEEDS_REVIEW"  # given up: a parked saga waits for a person


class RefundStatus(StrEnum):
    """Where a refund stands. A PENDING refund is no longer there to be given back, and has not been given back yet."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
