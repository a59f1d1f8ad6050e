"""A missing or malformed value ends the process with a line that names it and contains no secret."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import AliasChoices, Field

from devkit.certificates import authority
from mesh.server import Server
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


@pytest.mark.parametrize(
    "address", ["dns:///booking.mesh:50051", "dns://10.0.0.10:53/booking:50051", "dns:booking:50051"]
)
def test_68_a_name_that_the_dns_resolves_is_an_address(load_settings, address):
    assert load_settings(PEER_ADDRESS=address).peer_address == address


@pytest.mark.parametrize(
    "address", ["booking", "dns:///booking", "http://booking:1", "dns://a/b/c:1", "dns:///two words:1"]
)
def test_what_is_no_address_is_refused_by_name(load_settings, address, capsys):
    with pytest.raises(SystemExit):
        load_settings(PEER_ADDRESS=address)
    assert capsys.readouterr().err.startswith("PEER_ADDRESS: ")


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


def _without(name: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).unlink()


def _with(name: str, text: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_without("tls.crt"), "MESH_CERT_FILE: {}/tls.crt cannot be read: No such file or directory"),
        (_without("tls.key"), "MESH_KEY_FILE: {}/tls.key cannot be read: No such file or directory"),
        (_without("ca.crt"), "MESH_CA_FILE: {}/ca.crt cannot be read: No such file or directory"),
        (_with("tls.crt", "tea"), "MESH_CERT_FILE: {}/tls.crt holds no certificate"),
        (_with("ca.crt", ""), "MESH_CA_FILE: {}/ca.crt holds no certificate"),
        (_with("tls.key", "tea"), "MESH_KEY_FILE: {}/tls.key holds no private key that can be read without a password"),
    ],
)
def test_the_file_of_a_certificate_that_cannot_be_used_is_named_in_one_line(
    tmp_path, spoil, words, load_settings, capsys
):
    authority(tmp_path / "authority.pem").issue("payment", tmp_path / "own")
    spoil(tmp_path / "own")
    with pytest.raises(SystemExit) as end:
        load_settings(MESH_TLS="on", MESH_CERT_DIR=str(tmp_path / "own"))
    assert (end.value.code, capsys.readouterr().err) == (2, words.format(tmp_path / "own") + "\n")


def test_a_certificate_needs_files_which_the_folder_or_the_settings_name(load_settings, capsys, tmp_path):
    """Its helper gives SPIRE's files other names than cert-manager's."""
    authority(tmp_path / "authority.pem").issue("payment", tmp_path)
    names = {"MESH_CERT_FILE": "svid.pem", "MESH_KEY_FILE": "svid_key.pem", "MESH_CA_FILE": "bundle.pem"}
    for made, wanted in zip(("tls.crt", "tls.key", "ca.crt"), names.values(), strict=True):
        (tmp_path / made).rename(tmp_path / wanted)
    given = {setting: str(tmp_path / name) for setting, name in names.items()}
    certificates = load_settings(MESH_TLS="on", **given).certificates
    assert certificates.current().identity == "spiffe://tutormesh/payment"
    with pytest.raises(SystemExit):
        load_settings(MESH_TLS="on", **{**given, "MESH_CA_FILE": None})
    assert capsys.readouterr().err == "MESH_CA_FILE: is missing, as is MESH_CERT_DIR, and MESH_TLS is on\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "localhost", "::1", "[::1]"])
def test_plaintext_is_for_loopback(load_settings, host):
    assert load_settings(HOST=host).plaintext_fault() is None


EVERYWHERE = "0.0.0.0"  # noqa: S104


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "[::]", "10.0.0.7", "payment", "127.0.0.1.example.org"])
def test_67_plaintext_off_loopback_ends_the_process_unless_a_sidecar_encrypts(load_settings, capsys, host):
    with pytest.raises(SystemExit) as end:
        load_settings(HOST=host)
    bare = host.strip("[]")
    line = f"MESH_TLS: is off, which is for loopback, and HOST is {bare}; it must be on, or external for a sidecar\n"
    assert (end.value.code, capsys.readouterr().err) == (2, line)
    assert load_settings(HOST=host, MESH_TLS="external").plaintext_fault() is None


async def test_67_a_server_binds_no_plaintext_off_loopback_however_it_is_made(auth_settings, verifier):
    settings = ServiceSettings(_env_file=None, host=EVERYWHERE, port=0, **auth_settings)
    with pytest.raises(ValueError, match="MESH_TLS: is off"):
        Server(settings, verifier, [])
