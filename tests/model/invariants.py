"""What must be so: always, and once everything has come to rest. I1–I8 are those of the operator's audit."""

from __future__ import annotations

from typing import Any

from payment_svc.domain import CANCEL_OF, ENROLL, REFUND_CASE, RefundGivenUp, RefundStatus, Saga
from payment_svc.domain import State as SagaState
from tests.model.provider import PAYABLE
from tests.model.state import State

LIVE_BOOKINGS = ("PAYMENT_REQUIRED", "CONFIRMED")


def check_always(state: State) -> None:
    """Safety: true between any two calls of anybody."""
    _no_time_is_sold_twice(state)
    assert sum(row.has_seat for row in state.enrollments.values()) <= 1, f"I1: {state.enrollments}"
    _nothing_ended_is_revived(state)
    for saga in purchases(state):
        intents = [kept.intent for kept in state.intents.values() if kept.intent.saga_id == saga.id]
        assert len(intents) <= 1, f"I6: a second intent {intents}"
        if _is_sold(state, saga) and saga.price:
            assert received(state, saga) == saga.price.amount_minor, "confirmed unpaid"
    for intent_id in state.intents:
        assert given(state, intent_id) <= state.intents[intent_id].intent.received, "I3"


def _is_sold(state: State, saga: Saga) -> bool:
    if saga.kind == ENROLL:
        return str(saga.sold_id) in state.enrollments and state.enrollments[str(saga.sold_id)].status == "ACTIVE"
    return state.bookings.get(str(saga.sold_id), ("", ""))[1] == "CONFIRMED"


def _no_time_is_sold_twice(state: State) -> None:
    taken = [state.holds[saga] for saga, claim in state.claims.items() if claim]
    slots = [held.slot for held in taken if held is not None]
    assert len(slots) == len(set(slots)), f"I1: {state.claims}"


def _nothing_ended_is_revived(state: State) -> None:
    for row in state.sagas.values():
        if row.is_complete:
            assert state.ended.setdefault(row.id, row.state.value) == row.state.value, "revived"
        else:
            assert row.id not in state.ended, f"revived: {row}"


def check_at_rest(state: State) -> None:
    """When nobody acts, nothing wakes and no event is on its way."""
    for row in state.sagas.values():
        assert row.is_complete or row.wake_at or (row.state is SagaState.PARKED and row.error), f"I5: {row}"
        assert row.is_complete or row.state is SagaState.PARKED, f"still open: {row}"
    for saga in purchases(state):
        parked = [row for row in _around(state, saga) if row.state is SagaState.PARKED]
        if all(row.kind == REFUND_CASE or row.has_ended for row in parked):  # only the money waits for a person
            (_check_place if saga.kind == ENROLL else _check_lesson)(state, saga)
        if not parked:
            _check_money(state, saga)
        elif all(row.error and row.error.reason == RefundGivenUp.reason for row in parked):
            _check_given_up(state, saga)
    _check_rows(state)
    parked = _parked(state)
    # News of a parked saga waits with it, for whoever drives it next.
    waiting = [
        e for e in state.events.values() if e.status != "DONE" and not (e.status == "NEWS" and e.saga_id in parked)
    ]
    assert not waiting, f"events that nobody took: {waiting}"


def _check_place(state: State, saga: Saga) -> None:
    row = state.enrollments.get(str(saga.sold_id))
    standing = (row.status, row.has_seat) if row is not None else ("none", False)
    if saga.state is SagaState.COMPLETED and cancel_of(state, saga) is None:
        assert standing == ("ACTIVE", True), f"I7: {standing}"
        return
    assert standing[0] not in ("PAYMENT_REQUIRED", "ACTIVE") and not standing[1], f"I7: {saga.state} with {standing}"


def _check_lesson(state: State, saga: Saga) -> None:
    claim = state.claims.get(str(saga.id))
    booking = state.bookings.get(str(saga.sold_id), ("", "none"))[1]
    session = state.sessions.get(str(saga.session_id), ("", "none"))[1]
    if saga.state is SagaState.COMPLETED and cancel_of(state, saga) is None:
        assert (claim, booking) == ("CONFIRMED", "CONFIRMED"), f"I7: {claim} {booking}"
        assert session in ("CONFIRMED", "COMPLETED"), f"I7: {session}"
        return
    assert claim is None, f"I7: {saga.state} with a claim {claim}"
    assert booking not in LIVE_BOOKINGS, f"I7: {saga.state} with a booking {booking}"
    assert session not in ("CONFIRMED", "COMPLETED"), f"I7: {saga.state} with a session {session}"


def _check_money(state: State, saga: Saga) -> None:
    for kept in state.intents.values():
        if kept.intent.saga_id == saga.id:
            assert kept.intent.status != PAYABLE, f"I4: {saga.state} and payable"
            earned = kept.intent.received - given(state, kept.intent.id)
            assert earned == earned_by(state, saga, kept.intent.received), f"I2: {saga.state} keeps {earned}"
    payment = state.payments.get(saga.payment_id)
    if payment is not None:
        kept_received = state.intents[payment.intent_id].intent.received
        assert payment.received_minor == kept_received, f"I8: {payment}"
        assert (payment.status == "SUCCEEDED") == (kept_received > 0) and payment.status != "PENDING", f"I8: {payment}"


def _check_given_up(state: State, saga: Saga) -> None:
    """A refund that waits for a person is told neither as paid nor as on its way."""
    for kept in state.intents.values():
        if kept.intent.saga_id == saga.id:
            ours = [refund for refund in state.refunds.values() if refund.payment_intent_id == kept.intent.id]
            told = sum(refund.amount.amount_minor for refund in ours if refund.status is not RefundStatus.FAILED)
            assert told == given(state, kept.intent.id), f"I2: {told} told, {ours}"
            assert kept.intent.status != PAYABLE, "I4: payable, and waits for its refund"


def earned_by(state: State, saga: Saga, received_minor: int) -> int:
    """What may be kept of what was received."""
    price, cancel = saga.price, cancel_of(state, saga)
    if not received_minor or price is None:
        return 0
    if cancel is not None:
        assert cancel.refund_due is not None
        return price.amount_minor - cancel.refund_due.amount_minor
    if saga.state is SagaState.COMPLETED:
        return price.amount_minor
    decided = saga.refund_due
    is_price = received_minor == price.amount_minor
    return price.amount_minor - decided.amount_minor if decided is not None and is_price else 0


def _check_rows(state: State) -> None:
    """I8: our refunds are the provider's, one by one."""
    told = {ours.id: ours for _, ours in state.provider_refunds.values()}
    parked = _parked(state) if state.on_their_way else frozenset()  # nobody asks for it; it hears when its event comes
    for ours in state.refunds.values():
        if ours.provider_refund_id is not None:
            theirs = told.pop(ours.provider_refund_id)
            if ours.saga_id in parked:
                continue
            assert (ours.amount.amount_minor, ours.status) == (theirs.amount, theirs.meaning), f"I8: {ours} {theirs}"
    assert not told, f"I8: unknown to us {told}"


def _parked(state: State) -> frozenset[Any]:
    """The sagas that wait for a person."""
    return frozenset(row.id for row in state.sagas.values() if row.state is SagaState.PARKED)


def purchases(state: State) -> list[Saga]:
    return [row for row in state.sagas.values() if row.kind in CANCEL_OF]


def _around(state: State, saga: Saga) -> list[Saga]:
    """Every saga around the same purchase."""
    return [row for row in state.sagas.values() if row.sold_id == saga.sold_id]


def cancel_of(state: State, saga: Saga) -> Saga | None:
    rows = (row for row in _around(state, saga) if row.kind in CANCEL_OF.values())
    return next((row for row in rows if row.state is not SagaState.REJECTED), None)


def received(state: State, saga: Saga) -> int:
    return sum(kept.intent.received for kept in state.intents.values() if kept.intent.saga_id == saga.id)


def given(state: State, intent_id: str) -> int:
    """What the provider has given back, or is about to."""
    refunds = (refund for about, refund in state.provider_refunds.values() if about == intent_id)
    return sum(refund.amount for refund in refunds if refund.status != "failed")
