"""I1 and I6 over constructed snapshots."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ops.audit.invariants import breaches
from ops.audit.snapshot import Snapshot
from ops.audit.things import Claim
from tests.ops.snapshots import (
    BLOCK,
    BOOKING,
    END,
    NOW,
    OUR_REFUND,
    PAYMENT,
    PRICE,
    SESSION,
    START,
    THEIR_REFUND,
    TUTORS_CLAIM,
    broken,
    free,
    refunded,
    sold,
    unsold,
    waiting,
    words,
)

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("whole", [sold, unsold, refunded, waiting, free, lambda: Snapshot(NOW)])
def test_a_mesh_in_order_breaks_nothing(whole) -> None:
    assert breaches(whole()) == []


def test_a_block_over_a_lessons_buffer_breaks_i1_alone() -> None:
    over = replace(BLOCK, start=END + timedelta(minutes=9))
    spoiled = replace(sold(), claims=(*sold().claims[:2], over))
    assert broken(spoiled) == ["I1"]
    assert breaches(spoiled)[0].ids == ("tutor", "claim-t", "block")


def test_claims_that_only_touch_do_not_overlap() -> None:
    day = [Claim(f"c{n}", "tutor", "", "BLOCKED", START + n * HOUR, START + (n + 1) * HOUR) for n in range(5)]
    assert breaches(Snapshot(NOW, claims=tuple(day))) == []


def test_a_long_claim_overlaps_every_later_one_inside_it() -> None:
    long = Claim("long", "tutor", "", "BLOCKED", START, START + 10 * HOUR)
    inside = [Claim(f"c{n}", "tutor", "", "BLOCKED", START + n * HOUR, START + (n + 1) * HOUR) for n in (1, 5)]
    found = breaches(Snapshot(NOW, claims=(*inside, long)))
    assert [breach.ids[1:] for breach in found] == [("long", "c1"), ("long", "c5")]


def test_the_same_time_on_two_calendars_does_not_overlap() -> None:
    both = (Claim("a", "tutor", "", "BLOCKED", START, END), Claim("b", "other", "", "BLOCKED", START, END))
    assert breaches(Snapshot(NOW, claims=both)) == []


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
def test_a_second_thing_of_a_saga_breaks_i6_alone(kind: str, again: object) -> None:
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


def test_a_refund_decided_again_after_a_failed_one_is_no_second() -> None:
    ours = (replace(OUR_REFUND, id="first", provider_id="re_0", status="FAILED"), OUR_REFUND)
    theirs = (THEIR_REFUND, replace(THEIR_REFUND, id="re_0", refund_id="first", status="failed"))
    payment = replace(refunded().payments[0], refunds=ours)
    intent = replace(refunded().intents[0], refunds=theirs)
    assert breaches(replace(refunded(), payments=(payment,), intents=(intent,))) == []


def test_the_price_is_told_with_its_currency() -> None:
    assert str(PRICE) == "5000 USD"
