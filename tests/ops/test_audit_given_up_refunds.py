"""Money whose refund was given up, and intents that the provider does not know: parked with a person is no breach."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ops.audit.invariants import find_breaches
from ops.audit.records import REFUND_CASE, Amount
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
    with_refunds,
)

OURS = replace(OUR_REFUND, status="FAILED")
THEIRS = replace(THEIR_REFUND, status="failed")


def given_up(*cases: Any) -> Snapshot:
    """A lesson whose refund has failed for good after its saga had ended, and the cases about it."""
    failed = with_refunds(refunded(), [OURS], [THEIRS], status="SUCCEEDED")
    return replace(failed, sagas=(*failed.sagas, *cases))


def case(state: str, **changes: Any) -> Any:
    return saga_of(state, id="case", kind=REFUND_CASE, intent_id="", price=None, **changes)


def test_a_refund_that_was_given_up_and_waits_for_a_person_breaks_nothing() -> None:
    assert find_breaches(given_up(case("PARKED"))) == []


def test_an_amount_changed_at_the_provider_whose_refund_was_given_up_breaks_nothing() -> None:
    ours, theirs = replace(OURS, minor=100), replace(THEIRS, minor=100)
    failed = with_refunds(refunded(), [ours], [theirs], status="SUCCEEDED", received_minor=100)
    changed = replace(failed.intents[0], amount=Amount(100, "USD"), received_minor=100)
    parked = replace(failed, intents=(changed,), sagas=(*failed.sagas, case("PARKED")))
    assert find_breaches(parked) == []
    assert "I8" in broken(replace(parked, sagas=failed.sagas))


def test_a_refund_that_a_person_has_settled_breaks_nothing() -> None:
    assert find_breaches(given_up(case("REFUNDED", is_resolved=True))) == []


def test_a_refund_that_is_tried_again_is_work_in_flight() -> None:
    assert find_breaches(given_up(case("COMPENSATING"))) == []


def test_a_refund_that_failed_and_that_nobody_has_in_hand_breaks_i2_alone() -> None:
    assert broken(given_up()) == ["I2"]


def test_a_case_that_ended_by_itself_without_the_money_breaks_i2_alone() -> None:
    assert broken(given_up(case("REFUNDED"))) == ["I2"]


@pytest.mark.parametrize("status", ["CANCELLED", "FAILED"])
def test_an_unpaid_payment_that_ended_because_its_intent_is_unknown_breaks_nothing(status: str) -> None:
    payment = replace(unsold().payments[0], status=status)
    assert find_breaches(replace(unsold(), payments=(payment,), intents=())) == []


def test_a_payment_that_can_be_paid_by_an_unknown_intent_breaks_i8_alone() -> None:
    payment = replace(unsold().payments[0], status="PENDING")
    assert broken(replace(unsold(), payments=(payment,), intents=())) == ["I8"]


def test_a_received_payment_of_an_unknown_intent_breaks_i8_unless_a_person_has_it() -> None:
    assert broken(replace(sold(), intents=())) == ["I8"]
    parked = replace(sold(), sagas=(saga_of("PARKED"),), payments=(PAYMENT,), intents=())
    assert find_breaches(parked) == []
    assert find_breaches(replace(parked, intents=(INTENT,))) == []
