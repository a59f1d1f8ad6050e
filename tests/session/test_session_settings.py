"""The settings of session_svc: its own database URL and the template of its meeting links."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.settings import load
from session_svc.settings import Settings


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
