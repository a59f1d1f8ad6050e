"""How soon a saga moved on after its owner's death, without what a bank took."""

from __future__ import annotations

from devkit.chaos.ledger import Orphan, Pending
from devkit.chaos.pace import Recovery, paced

KILLED = 1000.0


def moved(after: float, saga: str = "s1", purchase: str = "p1") -> Recovery:
    return Recovery(Orphan(saga, "COMPENSATING", KILLED, 1.0), purchase, KILLED + after)


def sat_on(since: float, until: float, purchase: str = "p1") -> Pending:
    return Pending(purchase, KILLED + since, KILLED + until)


def test_the_slowest_is_told_with_its_saga():
    pace = paced([moved(3), moved(7, "s2"), moved(5)], [])
    assert (pace.slowest, pace.saga, pace.at_banks) == (7, "s2, then COMPENSATING", 0)


def test_a_bank_that_sat_on_the_refund_is_not_counted_and_told():
    pace = paced([moved(494)], [sat_on(4, 490)])
    assert pace.slowest == 9  # four until it was asked for, four after it came, one that the provider rounds away
    assert (pace.at_banks, pace.longest_at_bank) == (1, 485)


def test_what_a_bank_did_before_the_death_or_after_the_move_excuses_nothing():
    assert paced([moved(40)], [sat_on(-90, -1), sat_on(41, 80)]).slowest == 40
    assert paced([moved(40)], [sat_on(-90, 10)]).slowest == 30


def test_another_sales_refund_excuses_nothing():
    pace = paced([moved(40)], [sat_on(0, 39, purchase="p2")])
    assert (pace.slowest, pace.at_banks) == (40, 0)


def test_nobody_killed_is_nothing_told():
    assert paced([], []).saga == "none"
