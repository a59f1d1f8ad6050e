"""A purchase as its pages show it: where it stands, and what its policy says. Pure functions over its rows."""

from __future__ import annotations

from enum import StrEnum

from payment_svc.domain.saga import Saga
from payment_svc.domain.states import END_OF_UNDO, State


class PurchaseStatus(StrEnum):
    """Where a purchase stands, for a lesson and for a course."""

    PAYMENT_REQUIRED = "PAYMENT_REQUIRED"
    BEING_CONFIRMED = "BEING_CONFIRMED"  # the money is there, and what follows is under way
    CONFIRMED = "CONFIRMED"
    CANCELLED = "CANCELLED"
    PAYMENT_FAILED = "PAYMENT_FAILED"
    EXPIRED = "EXPIRED"
    COMPLETED = "COMPLETED"  # the lesson has taken place


_ENDS = {
    State.PAYMENT_FAILED: PurchaseStatus.PAYMENT_FAILED,
    State.EXPIRED: PurchaseStatus.EXPIRED,
    State.CANCELLED: PurchaseStatus.CANCELLED,
}
ENDED_UNPAID = frozenset(_ENDS.values())
#: How often what people are told about a lesson has changed by then: the SEQUENCE of its calendar entry (RFC 5545, 3.8.7.4).
_CANCELLED_VERSION, _FIRST_VERSION = 1, 0


def status_of(
    purchase: Saga, cancel: Saga | None, *, is_paid: bool = False, took_place: bool = False
) -> PurchaseStatus:
    """Where a purchase stands. `cancel` takes it back; `is_paid`: its provider says so, and the saga has not heard it yet.

    | the purchase | what is shown |
    |---|---|
    | is complete | CONFIRMED; CANCELLED once its cancel shows; COMPLETED once the lesson took place |
    | is paid, or is undone although it was paid | BEING_CONFIRMED, until its end is committed |
    | is unpaid, or is undone because of that | PAYMENT_REQUIRED: a payment may still arrive until its end is committed |
    | has ended without a lesson | its end, as its booking has it |
    """
    state = purchase.parked_from or purchase.state if purchase.state is State.PARKED else purchase.state
    facts = purchase.purchase_facts
    if state is State.COMPLETED:
        if cancel is not None and cancel.has_ended:
            return PurchaseStatus.CANCELLED
        return PurchaseStatus.COMPLETED if took_place else PurchaseStatus.CONFIRMED
    if purchase.has_ended:
        return _ENDS[_end_of(purchase)]
    was_paid = is_paid or facts.paid is not None or state is State.BOOKING_SESSION
    return PurchaseStatus.BEING_CONFIRMED if was_paid else PurchaseStatus.PAYMENT_REQUIRED


def _end_of(purchase: Saga) -> State:
    """EXPIRED, PAYMENT_FAILED or CANCELLED. Rows from before `ends_as` have only the reason."""
    facts = purchase.purchase_facts
    if facts.ends_as is not None:
        return facts.ends_as
    if purchase.state in _ENDS:
        return purchase.state
    return END_OF_UNDO[facts.undo] if facts.undo is not None else State.CANCELLED


def calendar_version(status: PurchaseStatus) -> int:
    """The SEQUENCE of a lesson's calendar entry: the entry changes once, when the lesson is cancelled."""
    return _CANCELLED_VERSION if status is PurchaseStatus.CANCELLED else _FIRST_VERSION
