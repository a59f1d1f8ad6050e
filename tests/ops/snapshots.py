"""Snapshots in which every invariant holds. The tests break them one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ops.audit.invariants import find_breaches
from ops.audit.records import (
    CANCEL,
    PURCHASE,
    Amount,
    Booking,
    Claim,
    Intent,
    Payment,
    ProviderRefund,
    Refund,
    Saga,
    Session,
)
from ops.audit.snapshot import Snapshot

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
START = datetime(2026, 3, 9, 10, 0, tzinfo=UTC)
END = START + timedelta(hours=1)
PRICE = Amount(5000, "USD")
BUFFER = timedelta(minutes=10)


def saga_of(state: str = "COMPLETED", **changes: Any) -> Saga:
    is_complete = state not in (
        "AWAITING_AVAILABILITY",
        "AWAITING_PAYMENT",
        "BOOKING_SESSION",
        "COMPENSATING",
        "PARKED",
    )
    has_no_wakeup = is_complete or state == "PARKED"
    saga = Saga(
        id="saga",
        kind=PURCHASE,
        state=state,
        is_complete=is_complete,
        tutor_id="tutor",
        student_id="student",
        start=START,
        minutes=60,
        booking_id="booking",
        session_id="session",
        payment_id="payment",
        intent_id="pi_own",
        price=PRICE,
        error="TRY_AGAIN: the session cannot be created" if state == "PARKED" else "",
        wake_at=None if has_no_wakeup else NOW + timedelta(minutes=20),
    )
    return replace(saga, **changes)


TUTORS_CLAIM = Claim("claim-t", "tutor", "saga", "CONFIRMED", START - BUFFER, END + BUFFER)
STUDENTS_CLAIM = Claim("claim-s", "student", "saga", "CONFIRMED", START, END)
BLOCK = Claim("block", "tutor", "", "BLOCKED", END + BUFFER, END + timedelta(hours=3))
BOOKING = Booking(
    "booking", "saga", "CONFIRMED", "tutor", "student", START, END, PRICE, "claim-t", "session", "payment"
)
SESSION = Session("session", "saga", "booking", "CONFIRMED", "tutor", "student", START, 60)
PAYMENT = Payment("payment", "saga", "booking", "session", "pi_own", "SUCCEEDED", PRICE, 5000)
INTENT = Intent("pi_own", "succeeded", PRICE, 5000, "saga", "payment")
OUR_REFUND = Refund("refund", "re_1", "pi_own", 5000, "SUCCEEDED", "slot_lost")
THEIR_REFUND = ProviderRefund("re_1", "succeeded", 5000, "refund")


def sold() -> Snapshot:
    """A lesson that was sold and paid, and a block in the tutor's calendar."""
    return Snapshot(
        NOW,
        sagas=(saga_of(),),
        claims=(TUTORS_CLAIM, STUDENTS_CLAIM, BLOCK),
        bookings=(BOOKING,),
        sessions=(SESSION,),
        payments=(PAYMENT,),
        intents=(INTENT,),
    )


def unsold(state: str = "EXPIRED", booking: str = "EXPIRED") -> Snapshot:
    """A lesson that was never paid."""
    return Snapshot(
        NOW,
        sagas=(saga_of(state),),
        bookings=(replace(BOOKING, status=booking),),
        payments=(replace(PAYMENT, status="CANCELLED", received_minor=0),),
        intents=(replace(INTENT, status="canceled", received_minor=0),),
    )


def refunded() -> Snapshot:
    """A lesson that was paid after its slot had gone to somebody else."""
    return Snapshot(
        NOW,
        sagas=(saga_of("REFUNDED"),),
        bookings=(replace(BOOKING, status="EXPIRED"),),
        payments=(replace(PAYMENT, status="REFUNDED", refunds=(OUR_REFUND,)),),
        intents=(replace(INTENT, refunds=(THEIR_REFUND,)),),
    )


def waiting() -> Snapshot:
    """A lesson that awaits its payment."""
    return Snapshot(
        NOW,
        sagas=(saga_of("AWAITING_PAYMENT"),),
        claims=(replace(TUTORS_CLAIM, state="HELD"), replace(STUDENTS_CLAIM, state="HELD")),
        bookings=(replace(BOOKING, status="PAYMENT_REQUIRED"),),
        payments=(replace(PAYMENT, status="PENDING", received_minor=0),),
        intents=(replace(INTENT, status="requires_payment_method", received_minor=0),),
    )


def free() -> Snapshot:
    """A lesson that costs nothing."""
    nothing = Amount(0, "USD")
    return replace(
        sold(),
        sagas=(saga_of(price=nothing, intent_id=""),),
        bookings=(replace(BOOKING, price=nothing, payment_id=""),),
        payments=(),
        intents=(),
    )


CANCELLING = replace(
    saga_of("REFUNDED"), id="cancel", kind=CANCEL, intent_id="", refund_due=Amount(2500, "USD"), cancels="saga"
)
HALF_BACK = replace(OUR_REFUND, minor=2500, reason="cancelled")
THEIR_HALF = replace(THEIR_REFUND, minor=2500)


def cancelled() -> Snapshot:
    """A lesson that was sold and then cancelled for half its price."""
    return Snapshot(
        NOW,
        sagas=(saga_of(), CANCELLING),
        bookings=(replace(BOOKING, status="CANCELLED"),),
        sessions=(replace(SESSION, status="CANCELLED"),),
        payments=(replace(PAYMENT, status="PARTIALLY_REFUNDED", refunds=(HALF_BACK,)),),
        intents=(replace(INTENT, refunds=(THEIR_HALF,)),),
    )


def broken(snapshot: Snapshot) -> list[str]:
    """The names of the invariants that a snapshot breaks."""
    return sorted({breach.invariant for breach in find_breaches(snapshot)})


def words(snapshot: Snapshot) -> str:
    """The text of all breaches of a snapshot."""
    return "\n".join(breach.what for breach in find_breaches(snapshot))


def with_refunds(snapshot: Snapshot, ours: Any, theirs: Any, **payment: Any) -> Snapshot:
    """The snapshot with these refunds, ours and the provider's, and these changes of its payment."""
    return replace(
        snapshot,
        payments=(replace(snapshot.payments[0], refunds=tuple(ours), **payment),),
        intents=(replace(snapshot.intents[0], refunds=tuple(theirs)),),
    )
