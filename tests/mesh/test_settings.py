"""A missing or malformed value ends the process with a line that names it and contains no secret."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import AliasChoices, Field

from mesh.settings import Address, DatabaseUrl, ServiceSettings, load

ROOT = Path(__file__).parents[2]
GOOD = {
    "PORT": "50051",
    "AUTH_ISSUER": "i",
    "AUTH_AUDIENCE": "a",
    "AUTH_JWKS_URL": "https://issuer.example/jwks.json",
    "DATABASE_URL": "postgresql+asyncpg://u:p@h/d",
    "PEER_ADDRESS": "peer:1",
}


class Settings(ServiceSettings):
    database_url: DatabaseUrl = Field(validation_alias=AliasChoices("DATABASE_URL", "TEA_DATABASE_URL"))
    peer_address: Address


@pytest.fixture
def load_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """`load_settings(NAME=value)`: load the settings from a good environment with these changes (None: not set)."""
    monkeypatch.chdir(tmp_path)

    def run(**changes: str | None) -> Settings:
        for name, value in (GOOD | changes).items():
            monkeypatch.delenv(name, raising=False)
            if value is not None:
                monkeypatch.setenv(name, value)
        return load(Settings)

    return run


def test_good_values_are_accepted(load_settings):
    settings = load_settings(DRAIN_SECONDS="0.5")
    assert (settings.host, settings.port, settings.drain_seconds, settings.peer_address) == (
        "127.0.0.1",
        50051,
        0.5,
        "peer:1",
    )


def test_values_come_from_the_file_too_and_the_environment_wins(load_settings, tmp_path):
    (tmp_path / ".env").write_text("AUTH_ISSUER=from-file\nAUTH_AUDIENCE=from-file\nSOMETHING_ELSE=1\n")
    settings = load_settings(AUTH_ISSUER=None)
    assert (settings.auth_issuer, settings.auth_audience) == ("from-file", "a")


def test_a_service_may_have_a_database_url_of_its_own(load_settings):
    assert load_settings(DATABASE_URL=None, TEA_DATABASE_URL=GOOD["DATABASE_URL"]).database_url == GOOD["DATABASE_URL"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/jwks", "http://localhost/jwks", "file:///keys/jwks.json"])
def test_plain_http_keys_are_accepted_from_this_machine_only(load_settings, url):
    assert load_settings(AUTH_JWKS_URL=url).auth_jwks_url == url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", None),
        ("PORT", ""),
        ("PORT", "many"),
        ("PORT", "70000"),
        ("AUTH_ISSUER", None),
        ("AUTH_JWKS_URL", "http://issuer.example/jwks.json"),
        ("AUTH_JWKS_URL", "issuer.example"),
        ("DATABASE_URL", None),
        ("DATABASE_URL", "postgresql://u:hunter2@h/d"),
        ("PEER_ADDRESS", "peer"),
        ("PEER_ADDRESS", "http://peer:1"),
        ("LOG_FORMAT", "poetry"),
        ("DRAIN_SECONDS", "-1"),
    ],
)
def test_a_bad_value_ends_the_process_with_a_line_that_names_it(load_settings, capsys, name, value):
    with pytest.raises(SystemExit) as end:
        load_settings(**{name: value})
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{name}: ")
    assert "hunter2" not in line


def test_each_bad_value_has_a_line_of_its_own(load_settings, capsys):
    with pytest.raises(SystemExit):
        load_settings(PORT="many", AUTH_ISSUER=None)
    assert sorted(line.split(":")[0] for line in capsys.readouterr().err.splitlines()) == ["AUTH_ISSUER", "PORT"]


def test_a_service_that_calls_peers_needs_a_token_file(load_settings, capsys, tmp_path):
    (tmp_path / "t").write_text("a.b.c\n")
    assert load_settings(SERVICE_TOKEN_FILE=str(tmp_path / "t")).token_file() == tmp_path / "t"
    with pytest.raises(SystemExit):
        load_settings(SERVICE_TOKEN_FILE=None).token_file()
    assert capsys.readouterr().err == "SERVICE_TOKEN_FILE: Field required\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "No such file or directory"),
        ("\n", "holds no token"),
        ("a.b.c\nd.e.f\n", "holds no token"),
        ("tökn", "holds no token"),
    ],
)
def test_a_token_file_without_a_token_ends_the_process_with_a_line_that_names_it(
    load_settings, capsys, tmp_path, text, words
):
    file = tmp_path / "own.token"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SystemExit) as end:
        load_settings(SERVICE_TOKEN_FILE=str(file))
    assert (end.value.code, capsys.readouterr().err) == (2, f"SERVICE_TOKEN_FILE: {file} {words}\n")


@pytest.mark.parametrize("module", ["availability_svc", "booking_svc", "payment_svc", "session_svc", "bff"])
def test_a_service_without_settings_ends_at_once_and_names_the_missing_ones(module, tmp_path):
    environment: dict[str, Any] = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'generated'}"}
    done = subprocess.run(
        [sys.executable, "-m", module], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert "AUTH_ISSUER: Field required" in lines
    assert all(line.partition(":")[0].replace("_", "").isupper() for line in lines), done.stderr
