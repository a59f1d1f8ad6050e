"""`.env.example` names every setting of every process, and none that nobody reads."""

from __future__ import annotations

import importlib
import re

import pytest
from pydantic import AliasChoices
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


def test_nothing_is_shown_that_nobody_reads(shown):
    read = set().union(*(names_read(kind) for package in PACKAGES for kind in settings_of(package)))
    code = "\n".join(path.read_text() for name in ("devkit", "ops") for path in (ROOT / name).rglob("*.py"))
    unread = {name for name in shown - read if name not in code and not name.endswith("_REPLICAS")}
    assert unread == set()
