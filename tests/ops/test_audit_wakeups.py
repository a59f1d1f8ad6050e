"""I5 over constructed snapshots: no saga is forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ops.audit.invariants import find_breaches
from tests.ops.snapshots import NOW, broken, saga_of, waiting, words


@pytest.mark.parametrize(
    ("saga", "message"),
    [
        (saga_of("PARKED", error=""), "without a reason"),
        (saga_of("COMPENSATING", wake_at=None), "will never wake"),
        (saga_of("AWAITING_PAYMENT", wake_at=NOW - timedelta(minutes=6)), "2026-03-02T11:54:00Z was missed"),
    ],
)
def test_a_saga_that_nobody_runs_breaks_i5_alone(saga: Any, message: str) -> None:
    spoiled = replace(waiting(), sagas=(saga,))
    assert broken(spoiled) == ["I5"]
    assert message in words(spoiled)


def test_a_wake_up_that_has_just_come_is_no_breach() -> None:
    assert (
        find_breaches(replace(waiting(), sagas=(saga_of("AWAITING_PAYMENT", wake_at=NOW - timedelta(minutes=4)),)))
        == []
    )


def test_a_parked_saga_with_a_reason_is_no_breach() -> None:
    assert find_breaches(replace(waiting(), sagas=(saga_of("PARKED"),))) == []
