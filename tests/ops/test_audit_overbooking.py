"""I1 over constructed snapshots: no calendar is sold twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ops.audit.invariants import find_breaches
from ops.audit.records import Claim
from ops.audit.snapshot import Snapshot
from tests.ops.snapshots import (
    BLOCK,
    END,
    NOW,
    PRICE,
    START,
    broken,
    free,
    refunded,
    sold,
    unsold,
    waiting,
)

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("whole", [sold, unsold, refunded, waiting, free, lambda: Snapshot(NOW)])
def test_a_sound_snapshot_breaks_no_invariant(whole) -> None:
    assert find_breaches(whole()) == []


def test_a_block_over_a_lessons_buffer_breaks_i1_alone() -> None:
    over = replace(BLOCK, start=END + timedelta(minutes=9))
    spoiled = replace(sold(), claims=(*sold().claims[:2], over))
    assert broken(spoiled) == ["I1"]
    assert find_breaches(spoiled)[0].ids == ("tutor", "claim-t", "block")


def test_claims_that_only_touch_do_not_overlap() -> None:
    day = [Claim(f"c{n}", "tutor", "", "BLOCKED", START + n * HOUR, START + (n + 1) * HOUR) for n in range(5)]
    assert find_breaches(Snapshot(NOW, claims=tuple(day))) == []


def test_a_long_claim_overlaps_every_later_one_inside_it() -> None:
    long = Claim("long", "tutor", "", "BLOCKED", START, START + 10 * HOUR)
    inside = [Claim(f"c{n}", "tutor", "", "BLOCKED", START + n * HOUR, START + (n + 1) * HOUR) for n in (1, 5)]
    found = find_breaches(Snapshot(NOW, claims=(*inside, long)))
    assert [breach.ids[1:] for breach in found] == [("long", "c1"), ("long", "c5")]


def test_the_same_time_on_two_calendars_does_not_overlap() -> None:
    both = (Claim("a", "tutor", "", "BLOCKED", START, END), Claim("b", "other", "", "BLOCKED", START, END))
    assert find_breaches(Snapshot(NOW, claims=both)) == []


def test_an_amount_is_printed_with_its_currency() -> None:
    assert str(PRICE) == "$50.00"
