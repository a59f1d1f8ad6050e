"""I7 for what was cancelled after it had been sold: nothing of it is live, and the cancel is one that could be."""

from __future__ import annotations

from collections.abc import Iterator

from ops.audit.places import place_taken_back
from ops.audit.snapshot import Breach, Snapshot
from ops.audit.things import CANCEL_OF, Booking, Saga, Session

LOOK = "look at `tutormesh saga show {id}`"


def taken_back(snapshot: Snapshot, purchase: Saga, cancel: Saga) -> Iterator[Breach]:
    """A cancelled lesson has no claim, and its booking and session say so; a cancelled place has an enrollment that
    does. What it keeps of its money is I2's."""
    if purchase.course_id:
        yield from place_taken_back(snapshot, purchase, cancel)
        return
    said = f"saga {purchase.id} was cancelled by {cancel.id}, but"
    for claim in snapshot.claims_by_saga.get(purchase.id, []):
        yield _left(purchase, cancel, claim.id, f"{said} claim {claim.id} is {claim.state}", "release the slot")
    booking = snapshot.booking_by_id.get(purchase.booking_id)
    if booking is None or booking.status != "CANCELLED":
        wrong = f"{said} its booking {purchase.booking_id} {_status(booking)}"
        yield _left(purchase, cancel, purchase.booking_id, wrong, "end the booking as CANCELLED")
    session = snapshot.session_by_id.get(purchase.session_id)
    if session is None or session.status != "CANCELLED":
        wrong = f"{said} its session {purchase.session_id} {_status(session)}"
        yield _left(
            purchase, cancel, purchase.session_id, wrong, "cancel the session, or give the lesson its slot back"
        )


def untrue_cancels(snapshot: Snapshot) -> Iterator[Breach]:
    """Every cancel is of a completed purchase, about the same things, and ends as its decision says."""
    for cancel in snapshot.sagas:
        if cancel.kind not in CANCEL_OF.values() or cancel.is_with_a_person:
            continue
        for wrong in _cancel_faults(cancel, snapshot.saga_by_id.get(cancel.cancels)):
            told = f"cancel {cancel.id} {wrong}"
            yield Breach("I7", (cancel.id, cancel.cancels), told, f"{LOOK.format(id=cancel.id)} and settle it by hand")


def _cancel_faults(cancel: Saga, purchase: Saga | None) -> Iterator[str]:
    if purchase is None:
        yield f"is of saga {cancel.cancels or 'none'}, which does not exist"
        return
    if purchase.state != "COMPLETED" or CANCEL_OF.get(purchase.kind) != cancel.kind:
        yield f"is of saga {purchase.id}, a {purchase.kind} that is {purchase.state}"
    ours, theirs = _things(cancel), _things(purchase)
    if ours != theirs:
        yield f"names another booking, session or payment, enrollment or course than saga {purchase.id}"
    due, price = cancel.refund_due, purchase.price
    if due is None or price is None or due.currency != price.currency or not 0 <= due.minor <= price.minor:
        yield f"decided that {due or 'nothing known'} of {price or 'nothing known'} goes back"
    elif (cancel.state == "CANCELLED" and due.minor) or (cancel.state == "REFUNDED" and not due.minor):
        yield f"is {cancel.state}, and decided that {due} goes back"


def _things(saga: Saga) -> tuple[str, ...]:
    return saga.booking_id, saga.enrollment_id, saga.session_id, saga.payment_id, saga.course_id


def _status(thing: Booking | Session | None) -> str:
    return "does not exist" if thing is None else f"is {thing.status}"


def _left(purchase: Saga, cancel: Saga, thing_id: str, what: str, do: str) -> Breach:
    return Breach("I7", (purchase.id, cancel.id, thing_id), what, f"{LOOK.format(id=cancel.id)}, then {do} by hand")
