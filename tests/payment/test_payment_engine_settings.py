"""Which payment providers there are: PAYMENT_ENGINES, its default, and where one is asked for sessions."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.settings import load
from payment_svc.__main__ import _load_asked_engines, open_stripe
from payment_svc.domain import PaymentEngines
from payment_svc.settings import Settings, read_asked_engines

PAGES = {"PUBLIC_URL": "https://lessons.example.org", "LINK_SECRET": "s" * 32}
STRIPE = {"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_WEBHOOK_SECRET": "whsec_1"}
LIVE = {"STRIPE_SECRET_KEY": "sk_live_1", "STRIPE_WEBHOOK_SECRET": "whsec_1", **PAGES}
PRODUCTION = {"TUTORMESH_ENV": "production", **PAGES}
URL, SECRET = "PAYMENT_ENGINE_ACME_URL", "PAYMENT_ENGINE_ACME_SECRET"
ACME = {"PAYMENT_ENGINES": "acme", URL: "https://pay.example.com/s", SECRET: "a secret of ours"}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """`started({…})`: the settings of a process with this environment, and the providers that it asks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "postgresql+asyncpg://user@127.0.0.1:1/payment")
    for name, value in (
        ("ISSUER", "https://id.example.org"),
        ("AUDIENCE", "a"),
        ("JWKS_URL", "https://id.example.org/k"),
    ):
        monkeypatch.setenv(f"AUTH_{name}", value)

    def start(environment: dict[str, str]) -> tuple[Settings, Any]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        settings = load(Settings)
        return settings, _load_asked_engines(settings)

    return start


@pytest.mark.parametrize(
    ("environment", "names", "default"),
    [
        (STRIPE, ("stripe", "callback", "placeholder"), "stripe"),
        (STRIPE | PRODUCTION, ("stripe",), "stripe"),
        (LIVE, ("stripe",), "stripe"),
        (LIVE | {"PAYMENT_ENGINES": "stripe,placeholder"}, ("stripe", "placeholder"), "stripe"),
        (STRIPE | {"PAYMENT_ENGINES": "acme , stripe"}, ("acme", "stripe"), "acme"),
        (STRIPE | {"PAYMENT_ENGINE_DEFAULT": "placeholder"}, ("stripe", "callback", "placeholder"), "placeholder"),
        ({"PAYMENT_ENGINES": "callback"}, ("callback",), "callback"),
        (PRODUCTION | {"PAYMENT_ENGINES": "acme", "QUOTE_SECRET": "s" * 16}, ("acme",), "acme"),
    ],
)
def test_the_engines_are_those_that_are_listed(
    started: Any, environment: dict[str, str], names: tuple[str, ...], default: str
) -> None:
    settings, _ = started(environment)
    assert settings.engines == PaymentEngines(names, default)
    assert (open_stripe(settings) is not None) == ("stripe" in names)


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, "STRIPE_SECRET_KEY"),
        ({"PAYMENT_ENGINES": "callback,stripe"}, "STRIPE_SECRET_KEY"),
        ({"PAYMENT_ENGINES": "Acme"} | STRIPE, "PAYMENT_ENGINES"),
        ({"PAYMENT_ENGINES": "a_b"} | STRIPE, "PAYMENT_ENGINES"),
        ({"PAYMENT_ENGINES": "stripe,"} | STRIPE, "PAYMENT_ENGINES"),
        ({"PAYMENT_ENGINE_DEFAULT": "acme"} | STRIPE, "PAYMENT_ENGINE_DEFAULT"),
        ({"PAYMENT_ENGINE_DEFAULT": "callback"} | STRIPE | PRODUCTION, "PAYMENT_ENGINE_DEFAULT"),
        ({"PAYMENT_ENGINES": "acme"} | PRODUCTION, "QUOTE_SECRET"),
        (ACME | {SECRET: ""}, SECRET),
        (ACME | {SECRET: "short"}, SECRET),
        (ACME | {SECRET: "whsec_ no base64 at all"}, SECRET),
        (ACME | {URL: ""}, URL),
        (ACME | {URL: "pay.example.com"}, URL),
        (ACME | {URL: "http://pay.example.com", "QUOTE_SECRET": "s" * 16} | PRODUCTION, URL),
        (ACME | STRIPE | {"PAYMENT_ENGINES": "stripe"}, URL),
        (ACME | STRIPE | {"PAYMENT_ENGINES": ""}, URL),
    ],
)
def test_a_setting_that_cannot_be_used_stops_the_process_by_its_name(
    started: Any, capsys: pytest.CaptureFixture[str], environment: dict[str, str], name: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        started(environment)
    assert stopped.value.code == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith(f"{name}: ")
    assert "pay.example.com" not in said[0]


def test_an_engine_with_a_url_is_asked_there(started: Any) -> None:
    settings, asked = started(ACME)
    assert [(name, one.url, one.secret) for name, one in asked.items()] == [("acme", ACME[URL], ACME[SECRET])]
    assert ACME[SECRET] not in repr(asked) and ACME[URL] not in repr(asked)
    assert read_asked_engines(settings, {"PAYMENT_ENGINE_TIMEOUT_SECONDS": "3", "PAYMENT_ENGINE_DEFAULT": "acme"}) == {}
