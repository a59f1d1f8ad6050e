"""`.env.example` names every setting of every process, and none that nobody reads."""

from __future__ import annotations

import importlib
import re

import pytest
from pydantic import AliasChoices, ValidationError
from pydantic_settings import BaseSettings

from tests.house.conftest import ROOT

PACKAGES = sorted(path.parent.name for path in ROOT.glob("*/settings.py") if path.parent.name != "mesh")


def settings_of(package: str) -> list[type[BaseSettings]]:
    module = importlib.import_module(f"{package}.settings")
    kinds = (value for value in vars(module).values() if isinstance(value, type) and issubclass(value, BaseSettings))
    return [kind for kind in kinds if kind.__module__ == module.__name__]


def names_read(kind: type[BaseSettings]) -> set[str]:
    """The environment variables that fill this class."""
    names = set()
    for name, field in kind.model_fields.items():
        alias = field.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias or f"{_prefix(kind)}{name}"]
        names |= {str(choice).upper() for choice in choices}
    return names


def _prefix(kind: type[BaseSettings]) -> str:
    return kind.model_config.get("env_prefix", "")


@pytest.fixture(scope="module")
def shown() -> set[str]:
    return set(re.findall(r"(?m)^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text()))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_setting_is_shown(package, shown):
    kinds = settings_of(package)
    assert kinds
    assert set().union(*map(names_read, kinds)) - shown == set()


EXAMPLE = (ROOT / ".env.example").read_text()
#: What a setting needs beside it, and what says so at the start.
NEEDS = {"SMTP_URL": ("NOTIFY_EMAIL_FROM", "NOTIFY_EMAIL_TO"), "NOTIFY_WEBHOOK_URL": ("NOTIFY_WEBHOOK_SECRET",)}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_value_that_is_shown_is_the_default(package):
    """A setting without a default shows none: whoever leaves the line as it is gets what it says."""
    shown = dict(re.findall(r"(?m)^#([A-Z][A-Z0-9_]+)=(.+)$", EXAMPLE))
    for kind in settings_of(package):
        for name, setting in kind.model_fields.items():
            value = shown.get(f"{_prefix(kind)}{name}".upper())
            if value is not None and name.upper() not in OF_MAKE_UP | OF_OTHERS.get(package, set()):
                assert _as_text(setting.default) == value, name


#: `make up` gives these a value, which the file shows.
OF_MAKE_UP = {"AUTH_ISSUER", "AUTH_AUDIENCE"}
#: What the file shows of these is the default of the other processes; its comment names the edge's.
OF_OTHERS = {
    "bff": {
        "DRAIN_SECONDS",
        "DRAIN_DELAY_SECONDS",
        *(f"{name.removesuffix('_svc').upper()}_ADDRESS" for name in PACKAGES),
    }
}


def _as_text(value):
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


@pytest.mark.parametrize("name", NEEDS)
def test_a_setting_that_needs_others_says_so_here_and_at_the_start(name):
    paragraphs = re.split(r"(?m)^#[A-Z_]+=.*\n", EXAMPLE)
    assert any(re.search(r"(SMTP_URL needs the other two|The\n# URL needs the secret)", one) for one in paragraphs)
    (payment,) = settings_of("payment_svc")
    given = {"stripe_secret_key": "sk_test_1", "stripe_webhook_secret": "whsec_1", "database_url": DATABASE, **IDENTITY}
    with pytest.raises(ValidationError) as refused:
        payment(_env_file=None, **given, **{name.lower(): URLS[name]})
    assert {str(problem["loc"][0]).upper() for problem in refused.value.errors()} == set(NEEDS[name])


DATABASE = "postgresql+asyncpg://x@y/z"
IDENTITY = {"auth_issuer": "x", "auth_audience": "x", "auth_jwks_url": "https://x"}
URLS = {"SMTP_URL": "smtp://x:1", "NOTIFY_WEBHOOK_URL": "https://x/y"}


def test_nothing_is_shown_that_nobody_reads(shown):
    read = set().union(*(names_read(kind) for package in PACKAGES for kind in settings_of(package)))
    code = "\n".join(
        path.read_text() for name in ("devkit", "ops", "mesh/tracing") for path in (ROOT / name).rglob("*.py")
    )
    code += (ROOT / "docker-compose.yml").read_text()
    unread = {name for name in shown - read if name not in code and not name.endswith("_REPLICAS")}
    assert unread == set()
