"""I8 over constructed snapshots: our payments and refunds equal the provider's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ops.audit.invariants import find_breaches
from ops.audit.records import BY_HAND, Amount
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
    words,
)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {"status": "canceled", "received_minor": 0}),
        ({"status": "PENDING", "received_minor": 0}, {}),
        ({"received_minor": 4999}, {}),
        ({}, {"payment_id": "another"}),
        ({}, {"amount": Amount(5001, "USD")}),
    ],
)
def test_a_payment_that_differs_from_the_providers_breaks_i8_alone(ours: Any, theirs: Any) -> None:
    spoiled = replace(sold(), payments=(replace(PAYMENT, **ours),), intents=(replace(INTENT, **theirs),))
    assert broken(spoiled) == ["I8"]


def test_a_payment_the_provider_does_not_know_breaks_i8_alone() -> None:
    assert broken(replace(sold(), intents=())) == ["I8"]


def test_an_intent_without_a_payment_of_ours_breaks_i8_alone() -> None:
    assert broken(replace(unsold(), payments=())) == ["I8"]


def test_an_amount_changed_at_the_provider_and_refunded_in_full_breaks_nothing() -> None:
    ours, theirs = replace(OUR_REFUND, minor=100), replace(THEIR_REFUND, minor=100)
    settled = with_refunds(refunded(), [ours], [theirs], received_minor=100)
    changed = replace(settled.intents[0], amount=Amount(100, "USD"), received_minor=100)
    assert find_breaches(replace(settled, intents=(changed,))) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        ([replace(OUR_REFUND, status="PENDING", provider_id="")], [], "is not at the provider"),
        ([], [THEIR_REFUND], "is not in our books"),
        ([replace(OUR_REFUND, minor=4000)], [THEIR_REFUND], "is of $40.00"),
        ([replace(OUR_REFUND, status="PENDING")], [THEIR_REFUND], "is PENDING"),
        ([OUR_REFUND], [replace(THEIR_REFUND, status="pending")], "is SUCCEEDED"),
    ],
)
def test_a_refund_that_differs_from_the_providers_breaks_i8_alone(ours: Any, theirs: Any, message: str) -> None:
    spoiled = with_refunds(refunded(), ours, theirs)
    assert broken(spoiled) == ["I8"]
    assert message in words(spoiled)


def test_a_refund_without_a_provider_id_is_matched_by_its_metadata() -> None:
    unnamed = replace(OUR_REFUND, provider_id="", status="PENDING")
    assert find_breaches(with_refunds(refunded(), [unnamed], [replace(THEIR_REFUND, status="pending")])) == []


def test_the_refunds_of_a_parked_saga_may_differ() -> None:
    unasked = replace(OUR_REFUND, provider_id="", status="PENDING")
    parked = with_refunds(refunded(), [unasked], [], status="PENDING", received_minor=0)
    assert find_breaches(replace(parked, sagas=(saga_of("PARKED"),))) == []


def test_the_breach_of_a_different_status_names_both() -> None:
    spoiled = replace(sold(), intents=(replace(INTENT, status="canceled", received_minor=0),))
    assert "we say SUCCEEDED, the provider canceled" in words(spoiled)


def test_a_failed_refund_that_the_provider_never_had_is_no_breach() -> None:
    given_up = replace(OUR_REFUND, id="first", provider_id="", status="FAILED")
    assert find_breaches(with_refunds(refunded(), [given_up, OUR_REFUND], [THEIR_REFUND])) == []


def test_a_refund_with_a_provider_id_is_matched_by_it_alone() -> None:
    spoiled = with_refunds(refunded(), [replace(OUR_REFUND, provider_id="re_gone")], [THEIR_REFUND])
    assert broken(spoiled) == ["I8"]
    assert "is not at the provider" in words(spoiled)


def test_a_refund_at_the_provider_that_has_our_name_and_another_amount_is_not_ours() -> None:
    given_up = replace(OUR_REFUND, provider_id="", status="FAILED")
    by_hand = replace(OUR_REFUND, id="imported", provider_id="re_1", minor=4900, reason=BY_HAND)
    named = replace(THEIR_REFUND, minor=4900, refund_id=given_up.id)
    rest = replace(THEIR_REFUND, id="re_2", minor=100, refund_id="")
    ours = (given_up, by_hand, replace(OUR_REFUND, id="rest", provider_id="re_2", minor=100))
    assert find_breaches(with_refunds(refunded(), ours, (named, rest))) == []
