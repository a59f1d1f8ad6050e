"""The settings of links: what they need, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from mesh.settings import load
from payment_svc.__main__ import _load_asked_engines
from payment_svc.links.tokens import Link, LinkPerson, Purpose, Tokens
from payment_svc.settings import Settings

KEY, OLD, URL = "k" * 32, "o" * 40, "https://lessons.example.org"
STRIPE = {"STRIPE_SECRET_KEY": f"sk_test_{KEY}", "STRIPE_WEBHOOK_SECRET": "whsec_1"}
PRODUCTION, PAGES = {"TUTORMESH_ENV": "production"}, {"PUBLIC_URL": URL, "LINK_SECRET": KEY}
LOCAL = {"PUBLIC_URL": "http://127.0.0.1:8080", "LINK_SECRET": KEY}
Start = Callable[..., Settings]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Start:
    """`start({…})`: the settings of a process with this environment, which it can serve with."""
    monkeypatch.chdir(tmp_path)
    given = {"DATABASE_URL": "postgresql+asyncpg://user@127.0.0.1:1/payment", "AUTH_ISSUER": "https://id.example.org"}
    given |= {"AUTH_AUDIENCE": "a", "AUTH_JWKS_URL": "https://id.example.org/k", **STRIPE}

    def started(environment: dict[str, str]) -> Settings:
        for name, value in (given | environment).items():
            monkeypatch.setenv(name, value)
        settings = load(Settings)
        _load_asked_engines(settings)
        return settings

    return started


@pytest.mark.parametrize("environment", [LOCAL, PAGES, PAGES | PRODUCTION, PAGES | {"LINK_SECRET": f"{KEY}, {OLD}"}])
def test_links_begin_with_the_address_and_the_first_secret_signs_them(
    start: Start, environment: dict[str, str]
) -> None:
    link = Link(Purpose.MANAGE, LinkPerson.TUTOR, UUID(int=1), 2_000_000_000)
    links = start(environment).links
    assert links.read(Tokens([KEY]).sign(link), Purpose.MANAGE) == link
    if OLD in environment["LINK_SECRET"]:
        assert links.read(Tokens([OLD]).sign(link), Purpose.MANAGE) == link


def test_a_developers_machine_needs_no_links(start: Start) -> None:
    assert start({}).public_url is None


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        (PRODUCTION, "PUBLIC_URL"),
        (PRODUCTION | {"LINK_SECRET": KEY}, "PUBLIC_URL"),
        (PRODUCTION | LOCAL, "PUBLIC_URL"),
        ({"STRIPE_SECRET_KEY": "sk_live_1"}, "PUBLIC_URL"),
        ({"PUBLIC_URL": URL}, "LINK_SECRET"),
        (PRODUCTION | {"PUBLIC_URL": URL}, "LINK_SECRET"),
        (PAGES | {"LINK_SECRET": "k" * 31}, "LINK_SECRET"),
        (PAGES | {"LINK_SECRET": f"{KEY},short"}, "LINK_SECRET"),
        (PAGES | {"LINK_SECRET": f"{KEY},{OLD},{KEY}x"}, "LINK_SECRET"),
        (PAGES | {"LINK_SECRET": STRIPE["STRIPE_SECRET_KEY"]}, "LINK_SECRET"),
        (PAGES | {"LINK_SECRET": f"{KEY},{OLD}", "QUOTE_SECRET": OLD}, "LINK_SECRET"),
        (PAGES | {"PUBLIC_URL": "lessons.example.org"}, "PUBLIC_URL"),
        (PAGES | {"PUBLIC_URL": f"{URL}/app"}, "PUBLIC_URL"),
        (PAGES | {"PUBLIC_URL": "https://user@lessons.example.org"}, "PUBLIC_URL"),
        (PAGES | {"PUBLIC_URL": "javascript:alert(1)"}, "PUBLIC_URL"),
        ({"RETURN_ORIGINS": "*"}, "RETURN_ORIGINS"),
        ({"RETURN_ORIGINS": "https://app.example.org/paid"}, "RETURN_ORIGINS"),
        ({"RETURN_ORIGINS": "https://app.example.org,evil"}, "RETURN_ORIGINS"),
    ],
)
def test_what_cannot_be_used_stops_the_process_by_its_name(
    start: Start, capsys: pytest.CaptureFixture[str], environment: dict[str, str], name: str
) -> None:
    with pytest.raises(SystemExit):
        start(environment)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{name}: ")
    assert KEY not in line and OLD not in line
