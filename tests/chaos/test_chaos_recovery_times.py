"""How soon a saga went on after its owner's death, without the time that a bank took."""

from __future__ import annotations

from devkit.chaos.checks.recovery_times import Recovery, measure_recoveries
from devkit.chaos.ledger import PendingRefund, Takeover

KILLED = 1000.0


def recovery(after: float, saga: str = "s1", purchase: str = "p1") -> Recovery:
    return Recovery(Takeover(saga, "COMPENSATING", KILLED, 1.0), purchase, KILLED + after)


def pending(since: float, until: float, purchase: str = "p1") -> PendingRefund:
    return PendingRefund(purchase, KILLED + since, KILLED + until)


def test_the_slowest_recovery_is_named_with_its_saga():
    pace = measure_recoveries([recovery(3), recovery(7, "s2"), recovery(5)], [])
    assert (pace.slowest, pace.saga, pace.at_banks) == (7, "s2, then COMPENSATING", 0)


def test_the_time_of_a_pending_refund_is_not_counted_but_reported():
    pace = measure_recoveries([recovery(494)], [pending(4, 490)])
    assert (
        pace.slowest == 9
    )  # four before the refund was made, four after it was paid out, and one for the provider's rounding
    assert (pace.at_banks, pace.longest_at_bank) == (1, 485)


def test_a_refund_that_was_pending_before_the_death_or_after_the_transition_is_no_excuse():
    assert measure_recoveries([recovery(40)], [pending(-90, -1), pending(41, 80)]).slowest == 40
    assert measure_recoveries([recovery(40)], [pending(-90, 10)]).slowest == 30


def test_the_refund_of_another_sale_is_no_excuse():
    pace = measure_recoveries([recovery(40)], [pending(0, 39, purchase="p2")])
    assert (pace.slowest, pace.at_banks) == (40, 0)


def test_without_a_kill_there_is_no_recovery():
    assert measure_recoveries([], []).saga == "none"
