"""Settings of every process: none shows a secret, and none starts in production with what only a developer has."""

from __future__ import annotations

import contextlib
import importlib
from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import BaseSettings

from devkit.layout import Layout
from devkit.sandbox.settings import Settings as SandboxSettings
from mesh.calls import Call, Person
from mesh.logs import redact
from mesh.settings import load
from ops.environment import Token as OperatorToken
from tests.house.test_env_example import PACKAGES, settings_of

CANARY = "canary4711"
#: Secret settings, with a value that the process takes.
SECRETS = {
    "STRIPE_SECRET_KEY": f"sk_test_{CANARY}",
    "STRIPE_WEBHOOK_SECRET": f"whsec_{CANARY},whsec_old{CANARY}",
    "QUOTE_SECRET": f"{CANARY}-{CANARY}",
    "LINK_SECRET": f"{CANARY * 4},{CANARY * 5}",
    "NOTIFY_WEBHOOK_SECRET": f"{CANARY}-{CANARY}",
    "NOTIFY_WEBHOOK_URL": f"https://user:{CANARY}@example.org/{CANARY}",
    "SMTP_URL": f"smtp://user:{CANARY}@mail.example.org:587",
    **dict.fromkeys(("DATABASE_URL", "DATABASE_DIRECT_URL"), f"postgresql+asyncpg://user:{CANARY}@127.0.0.1:5432/db"),
}
#: Names that may be secret: a new setting called so is looked at too.
SUSPECT = ("secret", "token", "password", "key", "url")
PUBLIC = {"auth_jwks_url", "public_url", "stripe_publishable_key", "service_token_file"}
REST = {
    "PORT": "0",
    "AUTH_ISSUER": "https://id.example.org/",
    "AUTH_AUDIENCE": "tutormesh",
    "AUTH_JWKS_URL": "https://id.example.org/jwks.json",
    "STRIPE_PUBLISHABLE_KEY": "pk_test_51abc",
    "PUBLIC_URL": "https://lessons.example.org",
    "NOTIFY_EMAIL_FROM": "t <no-reply@example.org>",
    "NOTIFY_EMAIL_TO": "{person_id}@example.org",
    **{f"{name}_ADDRESS": "127.0.0.1:1" for name in ("AVAILABILITY", "BOOKING", "LEARNING", "PAYMENT", "SESSION")},
}
KINDS = [kind for package in PACKAGES for kind in settings_of(package)]


def name_of(kind: type[BaseSettings]) -> str:
    return kind.__module__.partition(".")[0]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment in which every process starts, on a developer's machine with a test account at Stripe."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text("a.b.c")
    for name, value in {**REST, **SECRETS, "SERVICE_TOKEN_FILE": str(tmp_path / "token")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("TUTORMESH_ENV", raising=False)
    monkeypatch.delenv("STRIPE_API_BASE", raising=False)
    return monkeypatch


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_settings_show_no_secret(kind: type[BaseSettings], environment: pytest.MonkeyPatch) -> None:
    settings = load(kind)
    values = {name: value for name, value in settings if isinstance(value, str) and CANARY in value}
    assert values or name_of(kind) == "bff"
    shown = (
        repr(settings),
        str(settings),
        f"{settings}",
        repr(settings.model_dump()),
        repr(vars(settings)),
        repr(values),
    )
    assert [text for text in shown if CANARY in text] == []
    assert CANARY not in str(redact({"settings": settings}))


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_a_setting_that_is_called_like_a_secret_is_hidden(
    kind: type[BaseSettings], environment: pytest.MonkeyPatch
) -> None:
    settings = load(kind)
    suspects = {name: getattr(settings, name) for name in kind.model_fields if any(word in name for word in SUSPECT)}
    open_ones = {name for name, value in suspects.items() if value is not None and str(value) in repr(value)}
    assert open_ones - PUBLIC == set()


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
@pytest.mark.parametrize("name", SECRETS)
def test_no_error_line_repeats_a_malformed_secret(
    kind: type[BaseSettings], name: str, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv(name, f" {CANARY}\n")
    with contextlib.suppress(SystemExit):
        load(kind)
    said = capsys.readouterr().err
    assert CANARY not in said and (not said or f"{name}: " in said)
    try:
        kind()
    except ValueError as error:
        assert CANARY not in str(error)


def test_the_developers_kit_and_a_call_show_no_secret(tmp_path: Path) -> None:
    intents, facts = (importlib.import_module(f"payment_svc.domain.{name}") for name in ("intents", "facts"))
    intent = intents.Intent("pi_1", "succeeded", CANARY, 1, "USD", 1, None, None, None)
    person = Person(id=importlib.import_module("uuid").uuid4(), roles=frozenset(), token=CANARY)
    shown: list[Any] = [
        SandboxSettings(data="x", webhook_secret=CANARY),
        Layout(tmp_path, {"STRIPE_SECRET_KEY": CANARY}),
        Call("r", person=person),
        intent,
        facts.LessonFacts(client_secret=CANARY, return_url=CANARY, cancel_url=CANARY),
        OperatorToken(CANARY),
    ]
    assert [text for text in map(repr, shown) if CANARY in text] == []


LIVE = {"STRIPE_SECRET_KEY": "sk_live_51abc", "STRIPE_PUBLISHABLE_KEY": "pk_live_51abc"}
FAULTS = {
    "STRIPE_SECRET_KEY": "sk_test_sandbox",
    "STRIPE_PUBLISHABLE_KEY": "pk_test_sandbox",
    "AUTH_ISSUER": "tutormesh-dev",
    "AUTH_JWKS_URL": "file:///keys/jwks.json",
    "STRIPE_API_BASE": "http://sandbox:12111",
    "DEMO_TOKENS_FILE": "keys/demo-people.json",
}


PRODUCTIONS = (
    {"TUTORMESH_ENV": "production"},
    {"STRIPE_SECRET_KEY": "sk_live_51abc"},
    {"STRIPE_SECRET_KEY": "rk_live_51abc"},
    {"STRIPE_PUBLISHABLE_KEY": "pk_live_51abc"},
)


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
@pytest.mark.parametrize(
    ("production", "name"), [(one, name) for one in PRODUCTIONS for name in FAULTS if name not in one], ids=str
)
def test_no_process_starts_in_production_with_a_developers_setting(
    kind: type[BaseSettings],
    name: str,
    production: dict[str, str],
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for one, value in {**production, name: FAULTS[name]}.items():
        environment.setenv(one, value)
    with pytest.raises(SystemExit) as end:
        load(kind)
    (line,) = capsys.readouterr().err.splitlines()
    assert (end.value.code, line.partition(":")[0]) == (2, name)
    assert not any(value in line for value in (*production.values(), FAULTS[name]) if value != "production")


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
@pytest.mark.parametrize("given", [{}, {"AUTH_ISSUER": ""}, {"auth_issuer": ""}], ids=str)
@pytest.mark.parametrize("name", ["AUTH_ISSUER", "auth_issuer"])
def test_production_refuses_what_it_reads_from_a_file_under_an_empty_value_and_in_small_letters(
    kind: type[BaseSettings],
    name: str,
    given: dict[str, str],
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environment.delenv("AUTH_ISSUER")
    for one, value in given.items():
        environment.setenv(one, value)
    Path(".env").write_text(f"{name}=tutormesh-dev\nTUTORMESH_ENV=production\n")
    with pytest.raises(SystemExit):
        load(kind)
    assert capsys.readouterr().err.startswith("AUTH_ISSUER: is the issuer of a developer's mesh")


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
@pytest.mark.parametrize("more", [LIVE, {**LIVE, "TUTORMESH_ENV": "production"}], ids=["live keys", "production"])
def test_production_starts_with_its_own_settings(
    kind: type[BaseSettings], more: dict[str, str], environment: pytest.MonkeyPatch
) -> None:
    for name, value in more.items():
        environment.setenv(name, value)
    assert load(kind).is_production is ("TUTORMESH_ENV" in more or name_of(kind) in ("bff", "payment_svc"))  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
@pytest.mark.parametrize("name", [None, *FAULTS])
def test_a_developers_machine_starts_with_a_test_account_and_with_the_sandbox(
    kind: type[BaseSettings], name: str | None, environment: pytest.MonkeyPatch
) -> None:
    if name is not None:
        environment.setenv(name, FAULTS[name])
    assert load(kind).is_production is False  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_an_environment_of_another_name_is_refused(
    kind: type[BaseSettings], environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("TUTORMESH_ENV", "prod")
    with pytest.raises(SystemExit):
        load(kind)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("TUTORMESH_ENV: ")
