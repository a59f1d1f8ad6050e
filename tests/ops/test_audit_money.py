"""I2, I3 and I4 over constructed snapshots: captured money, refunds, and what can still be paid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ops.audit.invariants import find_breaches
from ops.audit.records import PAYABLE, Amount
from ops.audit.snapshot import Snapshot
from tests.ops.snapshots import (
    INTENT,
    OUR_REFUND,
    PAYMENT,
    THEIR_REFUND,
    broken,
    refunded,
    saga_of,
    sold,
    unsold,
    waiting,
    with_refunds,
    words,
)

PARTIAL, THEIR_PARTIAL = replace(OUR_REFUND, minor=2000), replace(THEIR_REFUND, minor=2000)


def with_orphaned_intent(snapshot: Snapshot, **changes: Any) -> Snapshot:
    """The snapshot with an intent that carries the saga's id but is not the saga's."""
    orphaned = replace(INTENT, id="pi_orphaned", payment_id="", **changes)
    return replace(snapshot, intents=(*snapshot.intents, orphaned))


def test_money_for_an_ended_saga_breaks_i2_alone() -> None:
    late = replace(unsold(), payments=(PAYMENT,), intents=(INTENT,))
    assert broken(late) == ["I2"]
    assert "$50.00 of it is left, and its saga is EXPIRED" in words(late)


def test_a_second_intent_that_was_paid_breaks_i2_alone() -> None:
    assert broken(with_orphaned_intent(sold())) == ["I2"]


def test_a_second_intent_that_was_refunded_breaks_nothing() -> None:
    ours = replace(OUR_REFUND, intent_id="pi_orphaned", reason="late_money")
    settled = with_orphaned_intent(sold(), refunds=(THEIR_REFUND,))
    assert find_breaches(replace(settled, payments=(replace(PAYMENT, refunds=(ours,)),))) == []


def test_money_of_a_saga_that_does_not_exist_breaks_i2_alone() -> None:
    assert broken(Snapshot(sold().taken_at, intents=(INTENT,))) == ["I2"]


def test_a_refund_of_a_lesson_that_still_takes_place_breaks_i2_alone() -> None:
    assert broken(with_refunds(sold(), [PARTIAL], [THEIR_PARTIAL], status="PARTIALLY_REFUNDED")) == ["I2"]


def test_money_in_another_currency_than_the_price_buys_nothing() -> None:
    yen = Amount(5000, "JPY")
    foreign = replace(sold(), intents=(replace(INTENT, amount=yen),))
    assert broken(foreign) == ["I2", "I8"]


def test_money_of_a_parked_saga_breaks_nothing() -> None:
    assert find_breaches(replace(sold(), sagas=(saga_of("PARKED"),))) == []


def test_money_of_a_running_saga_breaks_nothing() -> None:
    assert find_breaches(replace(sold(), sagas=(saga_of("BOOKING_SESSION"),), bookings=())) == []


def test_a_refund_that_is_pending_on_both_sides_counts_as_refunded() -> None:
    ours, theirs = replace(OUR_REFUND, status="PENDING"), replace(THEIR_REFUND, status="pending")
    assert find_breaches(with_refunds(refunded(), [ours], [theirs])) == []


def test_a_failed_refund_counts_for_nothing_and_breaks_i2_alone() -> None:
    ours, theirs = replace(OUR_REFUND, status="FAILED"), replace(THEIR_REFUND, status="failed")
    assert broken(with_refunds(refunded(), [ours], [theirs], status="SUCCEEDED")) == ["I2"]


def test_refunds_above_what_was_received_break_i3_alone() -> None:
    ours = (OUR_REFUND, replace(OUR_REFUND, id="more", provider_id="re_2", minor=1, reason="cancelled"))
    theirs = (THEIR_REFUND, replace(THEIR_REFUND, id="re_2", refund_id="more", minor=1))
    assert broken(with_refunds(refunded(), ours, theirs)) == ["I3"]


@pytest.mark.parametrize("status", sorted(PAYABLE))
def test_an_intent_that_can_be_paid_after_the_end_breaks_i4_alone(status: str) -> None:
    payable = replace(INTENT, status=status, received_minor=0)
    payment = replace(PAYMENT, status="PENDING", received_minor=0)
    assert broken(replace(unsold(), payments=(payment,), intents=(payable,))) == ["I4"]


@pytest.mark.parametrize("state", ["AWAITING_PAYMENT", "BOOKING_SESSION", "COMPENSATING", "PARKED"])
def test_a_second_intent_that_can_be_paid_breaks_i4_alone_while_the_saga_works(state: str) -> None:
    spoiled = with_orphaned_intent(waiting(), status="requires_payment_method", received_minor=0)
    assert broken(replace(spoiled, sagas=(saga_of(state),))) == ["I4"]


def test_a_payable_intent_of_a_saga_that_does_not_exist_breaks_i4_alone() -> None:
    assert broken(Snapshot(sold().taken_at, intents=waiting().intents)) == ["I4"]


def test_an_intent_that_its_saga_has_not_stored_yet_breaks_nothing() -> None:
    opening = replace(waiting(), sagas=(saga_of("AWAITING_AVAILABILITY", intent_id=""),), payments=())
    assert find_breaches(opening) == []


def test_a_lesson_that_takes_place_after_a_full_refund_breaks_i2_alone() -> None:
    given = with_refunds(sold(), [OUR_REFUND], [THEIR_REFUND], status="REFUNDED")
    assert broken(given) == ["I2"]
    assert "$0.00 of it is left, and its lesson costs $50.00" in words(given)
    assert find_breaches(given)[0].do.startswith("compare price and refunds")


def test_the_refunds_of_a_running_saga_break_nothing() -> None:
    giving = with_refunds(refunded(), [replace(OUR_REFUND, status="PENDING")], [THEIR_REFUND])
    assert find_breaches(replace(giving, sagas=(saga_of("COMPENSATING"),))) == []


def test_the_breach_of_a_second_intent_names_the_one_that_paid() -> None:
    assert "its saga was paid by pi_own" in words(with_orphaned_intent(sold()))


def test_the_advice_for_money_without_a_sale_is_to_reconcile() -> None:
    late = replace(unsold(), payments=(PAYMENT,), intents=(INTENT,))
    assert find_breaches(late)[0].do.startswith("run `tutormesh reconcile`")
