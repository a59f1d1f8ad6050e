"""The log says why a token was refused, and nothing of the token that could be used."""

from __future__ import annotations

import time
import uuid

import pytest
from structlog.testing import capture_logs

from devkit.keys import signer
from mesh import refused_tokens
from mesh.errors import Unauthenticated
from mesh.identity import LEEWAY_SECONDS, KeySet, Verifier
from tests.conftest import AUDIENCE, ISSUER


async def why_not(verifier, token):
    """What the log says of a refused token."""
    with capture_logs() as told, pytest.raises(Unauthenticated):
        await verifier.verify(token)
    lines = [line for line in told if line["event"] == "token_refused"]
    signature = token.rpartition(".")[2]
    assert len(signature) < 40 or signature not in str(lines)
    return lines


@pytest.mark.parametrize(
    ("changes", "cause", "said"),
    [
        ({"iat": int(time.time()) + 600}, "the clock of its issuer is ahead of this one", "issued_in"),
        ({"nbf": int(time.time()) + 600}, "the clock of its issuer is ahead of this one", "begins_in"),
        ({"exp": int(time.time()) - 600}, "it has expired, or the clock of its issuer is behind this one", "ends_in"),
        ({"iss": "another"}, "its issuer is not AUTH_ISSUER", "issuer"),
        ({"aud": "another"}, "its audience is not AUTH_AUDIENCE", "audience"),
        ({"sub": None}, "a claim is missing", "kid"),
        ({"roles": ["emperor"]}, "the token's roles are not valid", "kid"),
        ({"iss": "x" * 500 + "\n"}, "its issuer is not AUTH_ISSUER", "issuer"),
    ],
)
async def test_the_cause_is_in_the_log_with_what_the_token_says(issuer, changes, cause, said):
    (line,) = await why_not(issuer.verifier(), issuer.token(**changes))
    assert line["cause"] == cause
    if said.endswith("_in"):
        assert 300 < abs(line[said]) < 900
    else:
        assert line[said] and len(line[said]) <= refused_tokens.MOST_CHARACTERS
    assert line["expected_audience"] and "sub" not in line


async def test_a_clock_that_is_ahead_by_less_than_the_leeway_is_not_refused(issuer):
    await issuer.verifier().verify(issuer.token(iat=int(time.time()) + LEEWAY_SECONDS - 1))


async def test_a_token_of_another_data_folders_key_is_told_from_others(tmp_path):
    """Both meshes have the same issuer and audience; only their keys differ."""
    ours, theirs = (signer(tmp_path / name, ISSUER, AUDIENCE) for name in ("ours", "theirs"))
    verifier = Verifier(KeySet((tmp_path / "ours" / "jwks.json").as_uri()), ISSUER, AUDIENCE)
    await verifier.verify(ours.token("student"))
    person = str(uuid.uuid4())
    (line,) = await why_not(verifier, theirs.token("student", subject=person))
    assert "another data folder" in line["cause"]
    assert (line["kid"], line["issuer"]) == (theirs.kid, ISSUER)
    assert person not in str(line)


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "é" * 9000, "x" * 9000, "eyJhbGciOiJFUzI1NiJ9.e30.", "." * 100])
async def test_text_that_is_no_token_is_told_without_its_words(issuer, text):
    (line,) = await why_not(issuer.verifier(), text or "-")
    assert line["cause"] and len(str(line)) < 600


async def test_a_flood_of_bad_tokens_is_a_line_a_second(issuer, monkeypatch):
    verifier = issuer.verifier()
    told = [await why_not(verifier, issuer.token(iss=f"another-{number}")) for number in range(20)]
    assert sum(map(len, told)) == 1
    assert len(await why_not(verifier, issuer.token(aud="another"))) == 1  # another cause has its own line
    monkeypatch.setattr(refused_tokens, "EVERY_SECONDS", 0)
    assert len(await why_not(verifier, issuer.token(iss="another"))) == 1
