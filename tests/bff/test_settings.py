"""The settings of the edge: what stops it at the start, and the options that follow."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bff.persisted_operations import PersistedOperations
from bff.settings import Options, Settings

NAME = "{ __typename }"
PAGE = "https://app.example.org"


@pytest.fixture
def settings(edge_settings: Settings, auth_settings: dict[str, Any]) -> Callable[..., Settings]:
    """`settings(name=value)`: the edge's settings with a change."""
    return lambda **changes: Settings(_env_file=None, **edge_settings.model_dump() | changes)


def sha256(document: str) -> str:
    return hashlib.sha256(document.encode()).hexdigest()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": "{ __typename }"}', f'{{"{"0" * 64}": 5}}'])
def test_a_bad_manifest_stops_the_process_and_names_its_setting(
    tmp_path: Path, settings: Callable[..., Settings], text: str
) -> None:
    manifest = tmp_path / "operations.json"
    manifest.write_text(text)
    with pytest.raises(ValidationError, match="persisted_operations"):
        settings(persisted_operations=manifest)


@pytest.mark.parametrize("value", ["app.example.org", "https://a.test/", "ftp://a.test", "https://a.test b"])
def test_a_bad_origin_stops_the_process_and_names_its_setting(settings: Callable[..., Settings], value: str) -> None:
    with pytest.raises(ValidationError, match="cors_origins"):
        settings(cors_origins=value)


@pytest.mark.parametrize("value", ["everybody", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/8 192.0.2.1", "*"])
def test_a_bad_network_stops_the_process_and_names_its_setting(settings: Callable[..., Settings], value: str) -> None:
    with pytest.raises(ValidationError, match="trusted_proxies"):
        settings(trusted_proxies=value)


@pytest.mark.parametrize("value", ["x tenant", "x-tenant, (", "ü"])
def test_a_bad_header_stops_the_process_and_names_its_setting(settings: Callable[..., Settings], value: str) -> None:
    with pytest.raises(ValidationError, match="cors_headers"):
        settings(cors_headers=value)


def test_the_settings_become_the_options(settings: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / "name.graphql").write_text(NAME)
    given = settings(
        cors_origins=f"{PAGE}, http://localhost:3000",
        cors_headers="X-Tenant, x-flags",
        graphql_introspection=False,
        persisted_operations=tmp_path,
        persisted_operations_only=True,
        hsts_seconds=60,
        trusted_proxies="10.0.0.0/8, 192.0.2.7,2001:db8::/48",
    )
    assert given.options() == Options(
        introspection=False,
        persisted_operations=PersistedOperations({sha256(NAME): NAME}, only=True),
        cors_origins=(PAGE, "http://localhost:3000"),
        cors_headers=("x-tenant", "x-flags"),
        hsts_seconds=60,
        trusted_proxies=(ip_network("10.0.0.0/8"), ip_network("192.0.2.7/32"), ip_network("2001:db8::/48")),
    )
    assert settings().options() == Options()
