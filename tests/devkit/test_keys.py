"""Development keys and tokens, and the command that prints them."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jwt
import pytest
from click.testing import CliRunner

from devkit.keys import read_or_make_secret, signer
from mesh.errors import Unauthenticated
from mesh.identity import KeySet, Verifier
from ops.__main__ import main

PERSON = "7d9e3ea0-0c1c-4a57-9d0b-6d2b1f0a8a11"


def verifier(folder: Path, audience: str = "tutormesh") -> Verifier:
    return Verifier(KeySet((folder / "jwks.json").as_uri()), "tutormesh-dev", audience)


def command(data: Path, *arguments: str) -> list[str]:
    return [sys.executable, *arguments, "token", "--role", "tutor", "--subject", PERSON]


async def test_services_accept_a_persons_token(tmp_path: Path) -> None:
    claims = await verifier(tmp_path).verify(signer(tmp_path).token("student", subject=PERSON))
    assert (str(claims.person.id), claims.person.roles, claims.service) == (PERSON, {"student"}, "")


async def test_a_services_token_carries_its_name(tmp_path: Path) -> None:
    claims = await verifier(tmp_path).verify(signer(tmp_path).token("service", service="payment"))
    assert (claims.service, claims.person.roles) == ("payment", {"service"})


async def test_a_token_of_another_mesh_is_refused(tmp_path: Path) -> None:
    signer(tmp_path / "ours")
    foreign = signer(tmp_path / "theirs").token("admin")
    with pytest.raises(Unauthenticated):
        await verifier(tmp_path / "ours").verify(foreign)


async def test_a_token_for_another_audience_is_refused(tmp_path: Path) -> None:
    token = signer(tmp_path).token("admin")
    with pytest.raises(Unauthenticated):
        await verifier(tmp_path, audience="other").verify(token)


def test_a_token_lasts_twelve_hours_and_names_a_new_person_by_default(tmp_path: Path) -> None:
    one, two = (jwt.decode(signer(tmp_path).token("tutor"), options={"verify_signature": False}) for _ in range(2))
    assert one["exp"] - one["iat"] == 12 * 3600
    assert uuid.UUID(one["sub"]) != uuid.UUID(two["sub"])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"role": "owner"}, "role"),
        ({"role": "student", "subject": "me"}, "subject"),
        ({"role": "student", "service": "payment"}, "service"),
    ],
)
def test_a_bad_argument_of_a_token_is_named(tmp_path: Path, arguments: dict[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named}:"):
        signer(tmp_path).token(**arguments)


def test_many_at_once_make_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: signer(tmp_path / "keys").kid, range(16)))
    assert len(set(names)) == 1
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == ["jwks.json", "signing.pem"]


def test_the_key_is_readable_by_its_owner_alone_and_the_jwks_holds_no_secret(tmp_path: Path) -> None:
    signer(tmp_path / "keys")
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "keys" / "signing.pem").stat().st_mode) == 0o600
    (key,) = json.loads((tmp_path / "keys" / "jwks.json").read_text())["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    first = read_or_make_secret(tmp_path / "webhook.secret", "whsec_")
    assert first.startswith("whsec_") and read_or_make_secret(tmp_path / "webhook.secret") == first
    assert stat.S_IMODE((tmp_path / "webhook.secret").stat().st_mode) == 0o600


async def test_the_command_prints_a_token_and_nothing_else(tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: ASYNC221 - nothing else runs on this loop
        command(tmp_path, "-m", "ops"),
        env={**os.environ, "TUTORMESH_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    claims = await verifier(tmp_path / "keys").verify(done.stdout.removesuffix("\n"))
    assert (str(claims.person.id), claims.person.roles) == (PERSON, {"tutor"})


def test_the_token_command_imports_little(tmp_path: Path) -> None:
    done = subprocess.run(
        command(tmp_path, "-X", "importtime", "-m", "ops"),
        env={**os.environ, "TUTORMESH_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "devkit.keys" in imported
    assert not imported & {"grpc", "sqlalchemy", "asyncio", "asyncpg", "alembic", "pydantic", "devkit.postgres"}


def test_a_bad_command_line_ends_with_2_and_is_explained() -> None:
    refused = CliRunner().invoke(main, ["token", "--role", "student", "--subject", "me"])
    assert refused.exit_code == 2 and "subject: 'me' is not a UUID" in refused.output
    assert CliRunner().invoke(main, ["fly"]).exit_code == 2


def test_the_help_lists_every_command() -> None:
    listed = CliRunner().invoke(main, ["--help"]).output
    for name in ("up", "migrate", "token", "saga", "audit", "reconcile"):
        assert f"  {name} " in listed
