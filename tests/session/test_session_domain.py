"""The legal moves of a session, as functions of the domain."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import IllegalMove
from session_svc.domain import MOVES, Status, check_move, sources

statuses = st.sampled_from(Status)


@given(st.lists(statuses, max_size=8))
def test_a_session_moves_at_most_once(targets: list[Status]) -> None:
    now, moves = Status.CONFIRMED, 0
    for to in targets:
        try:
            moves += check_move(now, to) is not now
            now = check_move(now, to)
        except IllegalMove:
            assert now is not Status.CONFIRMED
    assert moves == (now is not Status.CONFIRMED)


@given(statuses, statuses)
def test_a_repeated_move_changes_nothing(now: Status, to: Status) -> None:
    try:
        once = check_move(now, to)
    except IllegalMove:
        assert to not in MOVES[now]
    else:
        assert check_move(once, to) is once is to


@given(statuses)
def test_the_sources_of_a_status_are_those_that_may_move_to_it(to: Status) -> None:
    assert set(sources(to)) == {status for status in Status if to in MOVES[status]}
