"""What moves a session may make, and the settings that name its meeting place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import IllegalMove
from mesh.settings import load
from session_svc.domain import MOVES, Status, check_move, sources
from session_svc.settings import Settings

statuses = st.sampled_from(Status)


@given(st.lists(statuses, max_size=8))
def test_a_session_moves_at_most_once(told: list[Status]) -> None:
    now, moves = Status.CONFIRMED, 0
    for word in told:
        try:
            moves += check_move(now, word) is not now
            now = check_move(now, word)
        except IllegalMove:
            assert now is not Status.CONFIRMED
    assert moves == (now is not Status.CONFIRMED)


@given(statuses, statuses)
def test_a_repeated_move_changes_nothing(now: Status, told: Status) -> None:
    try:
        once = check_move(now, told)
    except IllegalMove:
        assert told not in MOVES[now]
    else:
        assert check_move(once, told) is once is told


@given(statuses)
def test_the_sources_of_a_status_are_those_that_may_move_to_it(to: Status) -> None:
    assert set(sources(to)) == {status for status in Status if to in MOVES[status]}


@pytest.fixture
def environment(monkeypatch: Any, auth_settings: dict[str, Any], tmp_path: Any) -> Any:
    monkeypatch.chdir(tmp_path)
    for name, value in auth_settings.items():
        monkeypatch.setenv(name.upper(), value)
    monkeypatch.setenv("DATABASE_URL", "postgresql+asyncpg://localhost/all")
    return monkeypatch


def test_the_services_own_database_url_is_preferred_to_the_common_one(environment: Any) -> None:
    assert load(Settings).database_url.endswith("/all")
    environment.setenv("SESSION_DATABASE_URL", "postgresql+asyncpg://localhost/session")
    assert load(Settings).database_url.endswith("/session")
    assert load(Settings).meeting_link_template is None


@pytest.mark.parametrize("template", ["https://meet.example.org/", "meet/{room}", "https://x/{room}/{room}"])
def test_a_meeting_link_without_its_room_stops_the_process_and_is_named(
    environment: Any, capsys: Any, template: str
) -> None:
    environment.setenv("MEETING_LINK_TEMPLATE", template)
    with pytest.raises(SystemExit):
        load(Settings)
    assert "MEETING_LINK_TEMPLATE" in capsys.readouterr().err
