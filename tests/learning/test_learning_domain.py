"""The legal moves of an enrollment, as data and functions of the domain."""

from __future__ import annotations

import itertools

import pytest

from learning_svc.domain import ENDS, MOVES, Status, must_be
from mesh.errors import IllegalMove


def test_an_ended_enrollment_never_moves_and_an_active_one_only_to_cancelled() -> None:
    assert set(MOVES) == set(Status)
    assert all(MOVES[end] == frozenset() for end in ENDS)
    assert MOVES[Status.ACTIVE] == {Status.CANCELLED}
    assert MOVES[Status.PAYMENT_REQUIRED] == {Status.ACTIVE} | ENDS


@pytest.mark.parametrize(("now", "to"), [*itertools.product(Status, repeat=2)])
def test_an_enrollment_without_the_wanted_status_is_an_illegal_move(now: Status, to: Status) -> None:
    if now is to:
        must_be(now, to)
        return
    with pytest.raises(IllegalMove, match=f"an enrollment cannot go from {now} to {to}"):
        must_be(now, to)
