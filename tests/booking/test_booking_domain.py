"""What moves a booking may make, and what it answers to the others."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking_svc.domain import ENDS, MOVES, Status, check_move, sources
from mesh.errors import IllegalMove

statuses = st.sampled_from(Status)


def move_through(told: list[Status]) -> list[Status]:
    """Where a new booking stands after each of these words; a refused one leaves it where it is."""
    path = [Status.PAYMENT_REQUIRED]
    for word in told:
        try:
            path.append(check_move(path[-1], word))
        except IllegalMove:
            path.append(path[-1])
    return path


@given(st.lists(statuses, max_size=12))
def test_a_booking_that_has_ended_never_changes_its_status(told: list[Status]) -> None:
    path = move_through(told)
    ended = [status for status in path if status in ENDS]
    assert len(set(ended)) <= 1
    assert not ended or path[-1] is ended[0]


@given(st.lists(statuses, max_size=12))
def test_a_booking_makes_only_legal_moves(told: list[Status]) -> None:
    path = move_through(told)
    for before, behind in itertools.pairwise(path):
        assert before is behind or behind in MOVES[before]


@given(statuses, statuses)
def test_a_repeated_move_changes_nothing(now: Status, told: Status) -> None:
    try:
        once = check_move(now, told)
    except IllegalMove:
        return
    assert check_move(once, told) is once


@given(statuses)
def test_the_sources_of_a_status_are_those_that_may_move_to_it(to: Status) -> None:
    assert set(sources(to)) == {status for status in Status if to in MOVES[status]}


@pytest.mark.parametrize("told", [Status.EXPIRED, Status.PAYMENT_FAILED, Status.PAYMENT_REQUIRED])
def test_a_paid_booking_can_only_be_cancelled(told: Status) -> None:
    with pytest.raises(IllegalMove, match=f"a booking cannot go from CONFIRMED to {told}"):
        check_move(Status.CONFIRMED, told)
    assert check_move(Status.CONFIRMED, Status.CANCELLED) is Status.CANCELLED


@pytest.mark.parametrize("end", sorted(ENDS))
def test_an_ended_booking_cannot_be_confirmed(end: Status) -> None:
    with pytest.raises(IllegalMove):
        check_move(end, Status.CONFIRMED)
