"""Where sagas, payments and refunds stand, and where they may go from there."""

from __future__ import annotations

from enum import StrEnum

#: Kinds of sagas, as stored: what sells, what takes it back, and what only waits for a person.
BOOK, ENROLL = "BookAndPayForSessionSaga", "EnrollInCourseSaga"
CANCEL_OF = {BOOK: "CancelBookingSaga", ENROLL: "CancelEnrollmentSaga"}


#: The payment engines a booking can choose, and how the callback engine's payments are named.
STRIPE, CALLBACK = "stripe", "callback"
CALLBACK_PREFIX = "cb_"


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

#: COMPENSATING → BOOKING_SESSION: the intent turned out to be paid while it was being cancelled; → REJECTED: a refusal
#: behind which an earlier try had to be undone, or a cancel that is withdrawn, because the lesson took place meanwhile.
MOVES: dict[State, set[State]] = {
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

    REFUSED = "REFUSED"  # not to be had, but an earlier try may have held it, or may still arrive
    EXPIRED = "EXPIRED"  # the hold ended unpaid
    DECLINED = "DECLINED"  # every attempt at payment failed
    PROVIDER_REFUSED = "PROVIDER_REFUSED"  # no intent can be made for this amount
    SLOT_LOST = "SLOT_LOST"  # paid, but the time cannot be had any more
    AMOUNT_MISMATCH = "AMOUNT_MISMATCH"  # paid, but not the price
    CANCELLED = "CANCELLED"  # cancelled, here or at the provider

    @property
    def yields_to_payment(self) -> bool:
        """True when money that arrived meanwhile still buys the lesson."""
        return self in (Undo.EXPIRED, Undo.DECLINED)


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
    """Where a payment stands; the last two are derived from its refunds, never stored."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"


class RefundStatus(StrEnum):
    """Where a refund stands. PENDING counts as given back."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
