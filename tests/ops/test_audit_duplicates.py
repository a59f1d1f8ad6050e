"""I6 over constructed snapshots: no effect exists more than once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ops.audit.invariants import find_breaches
from tests.ops.snapshots import (
    BOOKING,
    END,
    OUR_REFUND,
    PAYMENT,
    SESSION,
    START,
    THEIR_REFUND,
    TUTORS_CLAIM,
    broken,
    refunded,
    sold,
    waiting,
    words,
)

HOUR = timedelta(hours=1)


def test_a_second_claim_of_a_saga_on_one_calendar_breaks_i6_alone() -> None:
    again = replace(TUTORS_CLAIM, id="again", state="HELD", start=START + 5 * HOUR, end=END + 5 * HOUR)
    spoiled = waiting()
    assert broken(replace(spoiled, claims=(*spoiled.claims, again))) == ["I6"]


@pytest.mark.parametrize(
    ("kind", "again"),
    [
        ("bookings", replace(BOOKING, id="again")),
        ("sessions", replace(SESSION, id="again")),
    ],
)
def test_a_second_record_of_a_saga_breaks_i6_alone(kind: str, again: object) -> None:
    spoiled = replace(sold(), **{kind: (*getattr(sold(), kind), again)})
    assert broken(spoiled) == ["I6"]
    assert "again" in words(spoiled)


def test_a_second_payment_of_a_waiting_saga_breaks_i6_alone() -> None:
    again = replace(PAYMENT, id="again", status="PENDING", intent_id="pi_2", received_minor=0)
    assert broken(replace(waiting(), payments=(*waiting().payments, again))) == ["I6"]


def test_two_refunds_for_one_reason_break_i6_alone() -> None:
    ours = tuple(replace(OUR_REFUND, id=f"refund-{n}", provider_id=f"re_{n}", minor=2500) for n in (1, 2))
    theirs = tuple(replace(THEIR_REFUND, id=f"re_{n}", refund_id=f"refund-{n}", minor=2500) for n in (1, 2))
    payment = replace(refunded().payments[0], refunds=ours)
    intent = replace(refunded().intents[0], refunds=theirs)
    assert broken(replace(refunded(), payments=(payment,), intents=(intent,))) == ["I6"]


def test_a_refund_after_a_failed_one_is_no_duplicate() -> None:
    ours = (replace(OUR_REFUND, id="first", provider_id="re_0", status="FAILED"), OUR_REFUND)
    theirs = (THEIR_REFUND, replace(THEIR_REFUND, id="re_0", refund_id="first", status="failed"))
    payment = replace(refunded().payments[0], refunds=ours)
    intent = replace(refunded().intents[0], refunds=theirs)
    assert find_breaches(replace(refunded(), payments=(payment,), intents=(intent,))) == []
