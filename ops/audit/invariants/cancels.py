"""I7 for what was sold and then cancelled: nothing of it is live, and the cancel saga itself is valid."""

from __future__ import annotations

from collections.abc import Iterator

from ops.audit.invariants.enrollments import find_cancelled_enrollment_faults
from ops.audit.records import CANCEL_OF, Booking, Saga, Session
from ops.audit.snapshot import Breach, Snapshot

LOOK = "look at `tutormesh saga show {id}`"


def find_leftovers_of_cancel(snapshot: Snapshot, purchase: Saga, cancel: Saga) -> Iterator[Breach]:
    """What is still live of a cancelled purchase. I2 judges its money.

    A cancelled lesson has no claim, and its booking and session are CANCELLED. A cancelled seat's enrollment is CANCELLED.
    """
    if purchase.course_id:
        yield from find_cancelled_enrollment_faults(snapshot, purchase, cancel)
        return
    said = f"saga {purchase.id} was cancelled by {cancel.id}, but"
    for claim in snapshot.claims_by_saga.get(purchase.id, []):
        yield _leftover(purchase, cancel, claim.id, f"{said} claim {claim.id} is {claim.state}", "release the slot")
    booking = snapshot.booking_by_id.get(purchase.booking_id)
    if booking is None or booking.status != "CANCELLED":
        wrong = f"{said} its booking {purchase.booking_id} {_status(booking)}"
        yield _leftover(purchase, cancel, purchase.booking_id, wrong, "end the booking as CANCELLED")
    session = snapshot.session_by_id.get(purchase.session_id)
    if session is None or session.status != "CANCELLED":
        wrong = f"{said} its session {purchase.session_id} {_status(session)}"
        yield _leftover(
            purchase, cancel, purchase.session_id, wrong, "cancel the session, or give the lesson its slot back"
        )


def find_invalid_cancels(snapshot: Snapshot) -> Iterator[Breach]:
    """Every cancel names a completed purchase and its records, and ends as its refund decision says."""
    for cancel in snapshot.sagas:
        if cancel.kind not in CANCEL_OF.values() or cancel.is_with_a_person:
            continue
        for wrong in _cancel_faults(cancel, snapshot.saga_by_id.get(cancel.cancels)):
            what = f"cancel {cancel.id} {wrong}"
            yield Breach("I7", (cancel.id, cancel.cancels), what, f"{LOOK.format(id=cancel.id)} and settle it by hand")


def _cancel_faults(cancel: Saga, purchase: Saga | None) -> Iterator[str]:
    if purchase is None:
        yield f"is of saga {cancel.cancels or 'none'}, which does not exist"
        return
    if purchase.state != "COMPLETED" or CANCEL_OF.get(purchase.kind) != cancel.kind:
        yield f"is of saga {purchase.id}, a {purchase.kind} that is {purchase.state}"
    if _record_ids(cancel) != _record_ids(purchase):
        yield f"names another booking, session or payment, enrollment or course than saga {purchase.id}"
    due, price = cancel.refund_due, purchase.price
    if due is None or price is None or due.currency != price.currency or not 0 <= due.minor <= price.minor:
        yield f"decided that {due or 'nothing known'} of {price or 'nothing known'} goes back"
    elif (cancel.state == "CANCELLED" and due.minor) or (cancel.state == "REFUNDED" and not due.minor):
        yield f"is {cancel.state}, and decided that {due} goes back"


def _record_ids(saga: Saga) -> tuple[str, ...]:
    return saga.booking_id, saga.enrollment_id, saga.session_id, saga.payment_id, saga.course_id


def _status(record: Booking | Session | None) -> str:
    return "does not exist" if record is None else f"is {record.status}"


def _leftover(purchase: Saga, cancel: Saga, record_id: str, what: str, do: str) -> Breach:
    return Breach("I7", (purchase.id, cancel.id, record_id), what, f"{LOOK.format(id=cancel.id)}, then {do} by hand")
