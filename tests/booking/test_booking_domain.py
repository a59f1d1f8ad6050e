"""The legal moves of a booking, as functions of the domain."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking_svc.domain import ENDS, MOVES, Status, check_move, sources
from mesh.errors import IllegalMove

statuses = st.sampled_from(Status)


def move_through(moves: list[Status]) -> list[Status]:
    """The statuses of a new booking that is moved to each of these; an illegal move leaves it as it is."""
    path = [Status.PAYMENT_REQUIRED]
    for to in moves:
        try:
            path.append(check_move(path[-1], to))
        except IllegalMove:
            path.append(path[-1])
    return path


@given(st.lists(statuses, max_size=12))
def test_a_booking_that_has_ended_never_changes_its_status(moves: list[Status]) -> None:
    path = move_through(moves)
    ended = [status for status in path if status in ENDS]
    assert len(set(ended)) <= 1
    assert not ended or path[-1] is ended[0]


@given(st.lists(statuses, max_size=12))
def test_a_booking_makes_only_legal_moves(moves: list[Status]) -> None:
    path = move_through(moves)
    for before, behind in itertools.pairwise(path):
        assert before is behind or behind in MOVES[before]


@given(statuses, statuses)
def test_a_repeated_move_changes_nothing(now: Status, to: Status) -> None:
    try:
        once = check_move(now, to)
    except IllegalMove:
        return
    assert check_move(once, to) is once


@given(statuses)
def test_the_sources_of_a_status_are_those_that_may_move_to_it(to: Status) -> None:
    assert set(sources(to)) == {status for status in Status if to in MOVES[status]}


@pytest.mark.parametrize("to", [Status.EXPIRED, Status.PAYMENT_FAILED, Status.PAYMENT_REQUIRED])
def test_a_paid_booking_can_only_be_cancelled(to: Status) -> None:
    with pytest.raises(IllegalMove, match=f"a booking cannot go from CONFIRMED to {to}"):
        check_move(Status.CONFIRMED, to)
    assert check_move(Status.CONFIRMED, Status.CANCELLED) is Status.CANCELLED


@pytest.mark.parametrize("end", sorted(ENDS))
def test_an_ended_booking_cannot_be_confirmed(end: Status) -> None:
    with pytest.raises(IllegalMove):
        check_move(end, Status.CONFIRMED)
