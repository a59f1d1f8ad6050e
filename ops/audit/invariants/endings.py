"""I7: the records of a saga fit its end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from ops.audit.invariants.cancels import find_invalid_cancels, find_leftovers_of_cancel
from ops.audit.invariants.enrollments import active_enrollment_faults, find_enrollment_leftover
from ops.audit.records import Booking, Payment, Saga, Session
from ops.audit.snapshot import Breach, Snapshot

LIVE_SESSIONS = frozenset({"PENDING_PAYMENT", "CONFIRMED", "COMPLETED"})
LESSON_SESSIONS = frozenset({"CONFIRMED", "COMPLETED"})
#: The booking's possible statuses, by the end of its saga. A REJECTED saga has no booking, or one that a process made
#: after it had lost the saga.
BOOKING_ENDS = {
    "EXPIRED": frozenset({"EXPIRED"}),
    "PAYMENT_FAILED": frozenset({"PAYMENT_FAILED"}),
    "CANCELLED": frozenset({"CANCELLED"}),
    "REFUNDED": frozenset({"EXPIRED", "CANCELLED"}),
    "REJECTED": frozenset({"CANCELLED"}),
}
LOOK = "look at `tutormesh saga show {id}`"


def find_wrong_endings(snapshot: Snapshot) -> Iterator[Breach]:
    """I7: records fit the end of their saga.

    A completed purchase has everything that it sold. Any other end, and a cancel, leaves nothing live. Every record
    belongs to a saga that exists.
    """
    for saga in snapshot.sagas:
        if not saga.is_purchase or not saga.is_complete or snapshot.is_in_flight(saga):
            continue
        if snapshot.is_with_a_person(saga):
            continue
        if saga.id in snapshot.cancel_by_purchase:
            yield from find_leftovers_of_cancel(snapshot, saga, snapshot.cancel_by_purchase[saga.id])
        elif saga.state == "COMPLETED":
            yield from _find_sale_faults(snapshot, saga)
        else:
            yield from find_enrollment_leftover(snapshot, saga) if saga.course_id else _find_leftovers(snapshot, saga)
    yield from find_invalid_cancels(snapshot)
    yield from _find_records_without_saga(snapshot)


def _find_sale_faults(snapshot: Snapshot, saga: Saga) -> Iterator[Breach]:
    faults = active_enrollment_faults(snapshot, saga) if saga.course_id else _lesson_faults(snapshot, saga)
    for wrong in (*faults, *_payment_faults(snapshot.payment_by_id.get(saga.payment_id), saga)):
        what = f"saga {saga.id} is COMPLETED, but {wrong}"
        yield Breach("I7", (saga.id, saga.sold_id), what, _by_hand(saga, "complete"))


def _lesson_faults(snapshot: Snapshot, saga: Saga) -> Iterator[str]:
    booking = snapshot.booking_by_id.get(saga.booking_id)
    yield from _booking_faults(booking, saga)
    yield from _claim_faults(snapshot, saga, booking)
    yield from _session_faults(snapshot.session_by_id.get(saga.session_id), saga)


def _booking_faults(booking: Booking | None, saga: Saga) -> Iterator[str]:
    if booking is None:
        yield f"its booking {saga.booking_id} does not exist"
        return
    if booking.status != "CONFIRMED":
        yield f"its booking {booking.id} is {booking.status}"
    end = saga.start + timedelta(minutes=saga.minutes) if saga.start else None
    found = (booking.saga_id, booking.session_id, booking.tutor_id, booking.student_id, booking.start, booking.end)
    if found != (saga.id, saga.session_id, saga.tutor_id, saga.student_id, saga.start, end):
        yield f"its booking {booking.id} names another saga, session, person or time"
    if saga.price is not None and booking.price != saga.price:
        yield f"its booking {booking.id} costs {booking.price}, the saga {saga.price}"
    if _has_price(saga) and booking.payment_id != saga.payment_id:
        yield f"its booking {booking.id} names payment {booking.payment_id or 'none'}"


def _claim_faults(snapshot: Snapshot, saga: Saga, booking: Booking | None) -> Iterator[str]:
    claims = snapshot.claims_by_saga.get(saga.id, [])
    for whose, person in (("tutor", saga.tutor_id), ("student", saga.student_id)):
        if not any(claim.calendar_id == person and claim.state == "CONFIRMED" for claim in claims):
            yield f"its {whose}'s calendar has no confirmed claim"
    for claim in claims:
        if claim.calendar_id == saga.tutor_id and booking is not None and booking.block_id != claim.id:
            yield f"its booking names claim {booking.block_id or 'none'}, the tutor's calendar has {claim.id}"
        if claim.calendar_id not in (saga.tutor_id, saga.student_id):
            yield f"its claim {claim.id} is on somebody else's calendar"


def _session_faults(session: Session | None, saga: Saga) -> Iterator[str]:
    if session is None:
        yield f"its session {saga.session_id} does not exist"
        return
    if session.status not in LESSON_SESSIONS:
        yield f"its session {session.id} is {session.status}"
    found = (session.saga_id, session.booking_id, session.tutor_id, session.student_id, session.start, session.minutes)
    if found != (saga.id, saga.booking_id, saga.tutor_id, saga.student_id, saga.start, saga.minutes):
        yield f"its session {session.id} names another saga, booking, person or time"


def _payment_faults(payment: Payment | None, saga: Saga) -> Iterator[str]:
    """What is wrong with a completed purchase's payment.

    A payment that is still PENDING breaks I4 (it can be paid) or I8 (the provider disagrees). I2 judges refunds.
    """
    if not _has_price(saga):
        if payment is not None:
            yield f"it is free and has a payment {payment.id}"
        return
    if payment is None:
        yield f"its payment {saga.payment_id} does not exist"
        return
    if payment.status in ("FAILED", "CANCELLED"):
        yield f"its payment {payment.id} is {payment.status}"
    found = (payment.saga_id, payment.sold_id, payment.session_id, payment.intent_id, payment.amount)
    if found != (saga.id, saga.sold_id, saga.session_id, saga.intent_id, saga.price):
        yield f"its payment {payment.id} names another saga, booking, enrollment, session, intent or price"


def _find_leftovers(snapshot: Snapshot, saga: Saga) -> Iterator[Breach]:
    """What an unsold lesson left live. Its payment is not checked here: I4 and I8 do that."""
    ended = f"saga {saga.id} is {saga.state}, but"
    for claim in snapshot.claims_by_saga.get(saga.id, []):
        yield Breach("I7", (saga.id, claim.id), f"{ended} claim {claim.id} is {claim.state}", _by_hand(saga, "release"))
    for session in snapshot.sessions_by_saga.get(saga.id, []):
        if session.status in LIVE_SESSIONS:
            wrong = f"{ended} session {session.id} is {session.status}"
            yield Breach("I7", (saga.id, session.id), wrong, _by_hand(saga, "cancel"))
    for booking in snapshot.bookings_by_saga.get(saga.id, []):
        if booking.status not in BOOKING_ENDS.get(saga.state, frozenset()):
            wrong = f"{ended} booking {booking.id} is {booking.status}"
            yield Breach("I7", (saga.id, booking.id), wrong, _by_hand(saga, "end"))


def _find_records_without_saga(snapshot: Snapshot) -> Iterator[Breach]:
    """Records that name a saga that does not exist."""
    records = (
        *(("claim", claim.id, claim.saga_id) for claim in snapshot.claims if claim.state != "BLOCKED"),
        *(("booking", booking.id, booking.saga_id) for booking in snapshot.bookings),
        *(("session", session.id, session.saga_id) for session in snapshot.sessions),
        *(("enrollment", enrollment.id, enrollment.saga_id) for enrollment in snapshot.enrollments),
        *(("payment", payment.id, payment.saga_id) for payment in snapshot.payments),
    )
    for kind, record_id, saga_id in records:
        if saga_id not in snapshot.saga_by_id:
            yield Breach(
                "I7",
                (saga_id, record_id),
                f"{kind} {record_id} is of saga {saga_id or 'none'}, which does not exist",
                "was a database restored to an older state than the others? Bring them to the same point in time",
            )


def _has_price(saga: Saga) -> bool:
    return saga.price is None or saga.price.minor > 0


def _by_hand(saga: Saga, verb: str) -> str:
    return f"{LOOK.format(id=saga.id)}, then {verb} by hand what does not fit"
