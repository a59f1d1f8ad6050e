"""I2, I6 and I7 over constructed snapshots of cancelled lessons, disputes, and sagas that a person resolved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ops.audit.invariants import find_breaches
from ops.audit.records import BY_HAND, DISPUTE, Amount
from ops.audit.snapshot import Snapshot
from tests.ops.snapshots import (
    BOOKING,
    CANCELLING,
    HALF_BACK,
    INTENT,
    OUR_REFUND,
    PAYMENT,
    SESSION,
    STUDENTS_CLAIM,
    THEIR_HALF,
    THEIR_REFUND,
    TUTORS_CLAIM,
    broken,
    cancelled,
    free,
    refunded,
    saga_of,
    sold,
    unsold,
    waiting,
    words,
)

NOTHING = Amount(0, "USD")
BY_HAND_HALF = replace(OUR_REFUND, id="hand", provider_id="re_h", minor=2500, reason=BY_HAND)
THEIR_BY_HAND = replace(THEIR_REFUND, id="re_h", minor=2500, refund_id="")
CASE = saga_of("PARKED", id="case", kind=DISPUTE, intent_id="", price=None)


def with_pairs(snapshot: Snapshot, *pairs: tuple[Any, Any], **payment: Any) -> Snapshot:
    """The snapshot with these refunds, each as (ours, the provider's)."""
    ours, theirs = tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)
    return replace(
        snapshot,
        payments=(replace(snapshot.payments[0], refunds=ours, **payment),),
        intents=(replace(snapshot.intents[0], refunds=theirs),),
    )


def with_cancel(snapshot: Snapshot, state: str = "REFUNDED", **changes: Any) -> Snapshot:
    """The snapshot with its cancel in another state."""
    cancel = replace(CANCELLING, state=state, is_complete=state not in ("COMPENSATING", "PARKED"), **changes)
    return replace(snapshot, sagas=(snapshot.sagas[0], cancel))


HALF, HAND = (HALF_BACK, THEIR_HALF), (BY_HAND_HALF, THEIR_BY_HAND)


def test_a_lesson_cancelled_by_the_policy_breaks_nothing() -> None:
    assert find_breaches(cancelled()) == []


def test_a_free_lesson_that_was_cancelled_breaks_nothing() -> None:
    ended = {"claims": (), "sessions": cancelled().sessions}
    booking = replace(free().bookings[0], status="CANCELLED")
    taken = with_cancel(replace(free(), bookings=(booking,), **ended), "CANCELLED", price=NOTHING, refund_due=NOTHING)
    assert find_breaches(taken) == []


def test_a_lesson_cancelled_too_late_for_a_refund_keeps_its_price() -> None:
    kept = with_pairs(cancelled(), status="SUCCEEDED")
    assert find_breaches(with_cancel(kept, "CANCELLED", refund_due=NOTHING)) == []


@pytest.mark.parametrize(
    ("refunds", "status"),
    [
        ((), "SUCCEEDED"),
        (((OUR_REFUND, THEIR_REFUND),), "REFUNDED"),
        (((replace(HALF_BACK, status="FAILED"), replace(THEIR_HALF, status="failed")),), "SUCCEEDED"),
        (((replace(HALF_BACK, minor=2499), replace(THEIR_HALF, minor=2499)),), "PARTIALLY_REFUNDED"),
    ],
)
def test_a_refund_that_differs_from_the_cancels_decision_breaks_i2_alone(refunds: Any, status: str) -> None:
    spoiled = with_pairs(cancelled(), *refunds, status=status)
    assert broken(spoiled) == ["I2"]
    assert "cancel cancel decided that $25.00 of $50.00 goes back" in words(spoiled)
    assert find_breaches(spoiled)[0].ids == ("saga", "pi_own", "cancel")


def test_a_person_may_refund_more_by_hand_than_the_cancel_decided() -> None:
    assert find_breaches(with_pairs(cancelled(), HALF, HAND, status="REFUNDED")) == []


def test_a_refund_by_hand_in_place_of_the_decided_one_is_enough() -> None:
    assert find_breaches(with_pairs(cancelled(), HAND)) == []


def test_a_partial_refund_by_hand_reduces_what_a_lesson_keeps() -> None:
    assert find_breaches(with_pairs(sold(), HAND, status="PARTIALLY_REFUNDED")) == []


def test_a_full_refund_by_hand_of_a_lesson_to_come_breaks_i2_alone() -> None:
    all_by_hand = (replace(BY_HAND_HALF, minor=5000), replace(THEIR_BY_HAND, minor=5000))
    spoiled = with_pairs(sold(), all_by_hand, status="REFUNDED")
    assert broken(spoiled) == ["I2"]
    assert find_breaches(replace(spoiled, sessions=(replace(SESSION, status="COMPLETED"),))) == []


def test_a_refund_by_hand_that_payment_svc_does_not_know_breaks_i8_alone() -> None:
    unlearned = replace(sold().intents[0], refunds=(THEIR_BY_HAND,))
    assert broken(replace(sold(), intents=(unlearned,))) == ["I8"]


@pytest.mark.parametrize(
    "left",
    [
        {"claims": (TUTORS_CLAIM,)},
        {"claims": (replace(STUDENTS_CLAIM, state="HELD"),)},
        {"bookings": (BOOKING,)},
        {"bookings": ()},
        {"sessions": (SESSION,)},
        {"sessions": (replace(SESSION, status="COMPLETED"),)},
        {"sessions": ()},
    ],
)
def test_a_live_record_of_a_cancelled_lesson_breaks_i7_alone(left: dict[str, Any]) -> None:
    spoiled = replace(cancelled(), **left)
    assert broken(spoiled) == ["I7"]
    assert find_breaches(spoiled)[0].ids[:2] == ("saga", "cancel")


def test_a_cancelled_booking_without_a_cancel_breaks_i7() -> None:
    assert broken(replace(sold(), bookings=(replace(BOOKING, status="CANCELLED"),))) == ["I7"]


def test_a_rejected_cancel_changes_nothing() -> None:
    withdrawn = replace(HALF_BACK, status="FAILED", provider_id="", reason="withdrawn")
    took_place = with_pairs(sold(), status="SUCCEEDED")
    took_place = replace(took_place, payments=(replace(PAYMENT, refunds=(withdrawn,)),))
    assert find_breaches(with_cancel(took_place, "REJECTED")) == []
    assert broken(with_cancel(cancelled(), "REJECTED")) == ["I2", "I7"]


def test_an_open_cancel_is_work_in_flight() -> None:
    half_done = with_pairs(
        sold(), (replace(HALF_BACK, status="PENDING", provider_id=""), THEIR_HALF), status="SUCCEEDED"
    )
    assert find_breaches(with_cancel(replace(half_done, sessions=()), "COMPENSATING", wake_at=half_done.taken_at)) == []


@pytest.mark.parametrize(
    "persons", [{"state": "PARKED", "error": "REFUND_NOT_DONE: no"}, {"state": "CANCELLED", "is_resolved": True}]
)
def test_a_cancel_that_a_person_resolves_may_differ(persons: dict[str, Any]) -> None:
    half_done = with_pairs(sold(), (replace(HALF_BACK, status="PENDING", provider_id=""), THEIR_BY_HAND))
    unasked = replace(half_done, intents=(INTENT,))
    for found in (half_done, unasked, replace(unasked, claims=())):
        assert find_breaches(with_cancel(found, **persons)) == []


def test_a_purchase_that_a_person_resolved_may_differ() -> None:
    left = replace(sold(), sagas=(saga_of("CANCELLED", is_resolved=True),))
    assert find_breaches(left) == []


def test_a_resolved_purchase_must_still_not_be_payable_or_booked_twice() -> None:
    payable = replace(waiting(), sagas=(saga_of("CANCELLED", is_resolved=True),))
    again = replace(TUTORS_CLAIM, id="again", saga_id="", state="BLOCKED")
    assert broken(replace(payable, claims=(*payable.claims, again))) == ["I1", "I4"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cancels": "nothing"}, "is of saga nothing, which does not exist"),
        ({"session_id": "another"}, "names another booking, session or payment"),
        ({"refund_due": None}, "decided that nothing known of $50.00 goes back"),
        ({"refund_due": Amount(5001, "USD")}, "decided that $50.01 of $50.00 goes back"),
        ({"state": "CANCELLED"}, "is CANCELLED, and decided that $25.00 goes back"),
        ({"refund_due": NOTHING}, "is REFUNDED, and decided that $0.00 goes back"),
    ],
)
def test_an_invalid_cancel_breaks_i7(changes: dict[str, Any], message: str) -> None:
    spoiled = replace(cancelled(), sagas=(saga_of(), replace(CANCELLING, **changes)))
    assert "I7" in broken(spoiled)
    assert message in words(spoiled)


def test_a_cancel_of_what_was_never_sold_breaks_i7_alone() -> None:
    cancel = replace(CANCELLING, state="CANCELLED", refund_due=NOTHING)
    spoiled = replace(unsold("CANCELLED", "CANCELLED"), sagas=(saga_of("CANCELLED"), cancel))
    assert "a BookAndPayForSessionSaga that is CANCELLED" in words(replace(spoiled, sessions=cancelled().sessions))


def test_a_second_cancel_or_purchase_of_a_booking_breaks_i6() -> None:
    again = replace(CANCELLING, id="again")
    assert broken(replace(cancelled(), sagas=(*cancelled().sagas, again))) == ["I6"]
    rejected = replace(CANCELLING, id="again", state="REJECTED")
    assert find_breaches(replace(cancelled(), sagas=(*cancelled().sagas, rejected))) == []
    assert broken(replace(sold(), sagas=(saga_of(), saga_of(id="twin", payment_id="p2")))) == ["I6", "I7"]


def test_several_refunds_by_hand_break_nothing() -> None:
    again = (replace(BY_HAND_HALF, id="again", provider_id="re_2", minor=1), replace(THEIR_BY_HAND, id="re_2", minor=1))
    assert find_breaches(with_pairs(sold(), HAND, again, status="PARTIALLY_REFUNDED")) == []


def test_a_payment_that_raced_a_cancel_follows_its_refund_decision() -> None:
    raced = with_pairs(refunded(), HALF, status="PARTIALLY_REFUNDED")
    raced = replace(raced, bookings=(replace(BOOKING, status="CANCELLED"),))
    assert find_breaches(replace(raced, sagas=(saga_of("REFUNDED", refund_due=Amount(2500, "USD")),))) == []
    assert broken(replace(raced, sagas=(saga_of("REFUNDED"),))) == ["I2"]
    too_much = replace(raced, sagas=(saga_of("REFUNDED", refund_due=Amount(2000, "USD")),))
    assert broken(too_much) == ["I2"]
    assert "its saga is REFUNDED, with $20.00 to go back" in words(too_much)


def test_a_payment_that_raced_a_cancel_without_a_refund_is_kept() -> None:
    kept = replace(sold(), claims=(), sessions=(), bookings=(replace(BOOKING, status="CANCELLED"),))
    assert find_breaches(replace(kept, sagas=(saga_of("CANCELLED", refund_due=NOTHING),))) == []
    assert broken(replace(kept, sagas=(saga_of("CANCELLED"),))) == ["I2"]


def test_a_dispute_excuses_money_and_nothing_else() -> None:
    disputed = replace(sold(), sagas=(saga_of(), CASE))
    assert find_breaches(disputed) == []
    assert find_breaches(with_pairs(disputed, (OUR_REFUND, THEIR_REFUND), status="REFUNDED")) == []
    assert broken(replace(disputed, claims=())) == ["I7"]
    assert broken(replace(disputed, payments=(replace(PAYMENT, received_minor=1),))) == ["I8"]
    assert broken(replace(disputed, sagas=(saga_of(), replace(CASE, error="")))) == ["I5"]


@pytest.mark.parametrize(("state", "message"), [("COMPLETED", ["I2"]), ("REFUNDED", [])])
def test_a_lost_dispute_excuses_money_and_a_won_one_does_not(state: str, message: list[str]) -> None:
    closed = replace(CASE, state=state, is_complete=True, is_resolved=True, error="")
    late = replace(unsold(), payments=(PAYMENT,), intents=(INTENT,), sagas=(saga_of("EXPIRED"), closed))
    assert broken(late) == message
