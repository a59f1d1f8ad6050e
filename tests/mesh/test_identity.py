"""Tokens: which are accepted, which are refused, and how the issuer's keys change meanwhile."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mesh import identity
from mesh.errors import TryAgain, Unauthenticated
from mesh.identity import ServiceTokenFile
from tests.conftest import AUDIENCE
from tests.mesh.conftest import wait_until


def _part(value: object) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


async def test_a_valid_token_names_the_person(issuer):
    person = uuid.uuid4()
    claims = await issuer.verifier().verify(issuer.token(sub=str(person), roles=["student", "tutor"]))
    assert (claims.person.id, claims.person.roles, claims.service) == (person, {"student", "tutor"}, "")
    assert not claims.person.is_admin


async def test_a_service_is_named_by_its_claim(issuer):
    verifier = issuer.verifier()
    assert (await verifier.verify(issuer.token(roles=["service"], svc="payment"))).service == "payment"
    assert (await verifier.verify(issuer.token(roles=["student"], svc="payment"))).service == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"exp": 1_000_000_000}, "expired"),
        ({"exp": None}, "not valid"),
        ({"exp": "tomorrow"}, "not valid"),
        ({"nbf": 99_999_999_999}, "not valid yet: its issuer's clock is ahead"),
        ({"iat": 99_999_999_999}, "not valid yet: its issuer's clock is ahead"),
        ({"exp": int(time.time()) - identity.LEEWAY_SECONDS - 1}, "expired"),
        ({"aud": "somebody-else"}, "not valid"),
        ({"aud": None}, "not valid"),
        ({"iss": "somebody-else"}, "not valid"),
        ({"iss": None}, "not valid"),
        ({"sub": None}, "not valid"),
        ({"sub": "not-a-uuid"}, "subject is not a UUID"),
        ({"roles": None}, "roles are not valid"),
        ({"roles": "admin"}, "roles are not valid"),
        ({"roles": {"admin": True}}, "roles are not valid"),
        ({"roles": ["student", "emperor"]}, "roles are not valid"),
        ({"roles": [["admin"]]}, "roles are not valid"),
    ],
)
async def test_a_signed_token_that_says_something_else_is_refused(issuer, changes, words):
    with pytest.raises(Unauthenticated, match=words):
        await issuer.verifier().verify(issuer.token(**changes))


async def test_clocks_may_differ_by_a_little(issuer):
    now = int(time.time())
    near = {"exp": now - 1, "nbf": now + 3, "iat": now + 3}
    assert await issuer.verifier().verify(issuer.token(**near))


async def test_a_token_may_have_several_audiences(issuer):
    assert await issuer.verifier().verify(issuer.token(aud=["somebody-else", AUDIENCE]))


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "HS256", "ES512", ["ES256"], None])
async def test_a_token_of_another_algorithm_is_refused(issuer, algorithm):
    unsigned = _part({"alg": algorithm, "kid": "k1"}) + b"." + _part(issuer.claims()) + b"."
    for signature in (b"", b"AAAA"):
        with pytest.raises(Unauthenticated):
            await issuer.verifier().verify((unsigned + signature).decode())


@pytest.mark.parametrize(
    "value", [b"[" * 5000, b'{"a":' * 1000, b'{"alg":"ES256","kid":"\\ud800"}', b'{"kid":1e999}', b"null"]
)
async def test_a_token_whose_header_is_hostile_is_refused(issuer, value):
    header = base64.urlsafe_b64encode(value).rstrip(b"=").decode()
    for token in (f"{header}.e30.AAAA", f"{header}..", header):
        with pytest.raises(Unauthenticated):
            await issuer.verifier().verify(token)


async def test_an_unsigned_token_is_refused(issuer):
    token = jwt.encode(issuer.claims(), key=None, algorithm="none", headers={"kid": "k1"})
    with pytest.raises(Unauthenticated, match="algorithm"):
        await issuer.verifier().verify(token)


async def test_a_token_cannot_bring_its_own_key(issuer):
    own = ec.generate_private_key(ec.SECP256R1())
    jwk = {**jwt.algorithms.ECAlgorithm.to_jwk(own.public_key(), as_dict=True), "kid": "own"}
    for kid in ("k1", "own", None):
        headers = {"kid": kid, "jwk": jwk, "jku": "https://own.example/jwks.json"} if kid else {"jwk": jwk}
        with pytest.raises(Unauthenticated):
            await issuer.verifier().verify(jwt.encode(issuer.claims(), own, "ES256", headers=headers))


@pytest.mark.parametrize("changed", [{"use": "enc"}, {"kty": "oct", "k": "c2VjcmV0" * 8, "alg": "HS256"}])
async def test_a_key_for_encryption_is_ignored(issuer, changed):
    token, document = issuer.token(), json.loads(issuer.path.read_text())
    issuer.has("k2")
    good = json.loads(issuer.path.read_text())["keys"]
    issuer.path.write_text(json.dumps({"keys": [document["keys"][0] | changed, *good]}))
    with pytest.raises(Unauthenticated, match="unknown key"):
        await issuer.verifier().verify(token)
    assert await issuer.verifier().verify(issuer.token("k2"))


async def test_a_token_that_is_too_long_is_refused_unread(issuer):
    long = issuer.token(note="x" * identity.MAX_TOKEN_CHARACTERS)
    with pytest.raises(Unauthenticated, match="too long"):
        await issuer.verifier().verify(long)


async def test_the_public_key_cannot_serve_as_a_shared_secret(issuer):
    public = issuer.keys["k1"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = _part({"alg": "HS256", "kid": "k1", "typ": "JWT"}) + b"." + _part(issuer.claims())
    signature = base64.urlsafe_b64encode(hmac.new(public, head, hashlib.sha256).digest()).rstrip(b"=")
    with pytest.raises(Unauthenticated, match="algorithm"):
        await issuer.verifier().verify((head + b"." + signature).decode())


async def test_a_header_cannot_choose_another_algorithm_than_the_keys(issuer):
    rest = issuer.token().partition(".")[2]
    forged = _part({"alg": "RS256", "kid": "k1", "typ": "JWT"}).decode() + "." + rest
    with pytest.raises(Unauthenticated):
        await issuer.verifier().verify(forged)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "eyJhbGciOiJFUzI1NiJ9..", "ü.ü.ü", "." * 5000, "\ud800"])
async def test_text_that_is_no_token_is_refused(issuer, token):
    with pytest.raises(Unauthenticated):
        await issuer.verifier().verify(token)


async def test_a_token_of_a_key_the_issuer_does_not_have_is_refused(issuer):
    token = issuer.token()
    issuer.has("k2")
    with pytest.raises(Unauthenticated, match="unknown key"):
        await issuer.verifier().verify(token)


async def test_a_token_signed_by_another_key_of_the_same_name_is_refused(issuer):
    token = issuer.token()
    del issuer.keys["k1"]
    issuer.has("k1")
    with pytest.raises(Unauthenticated, match="not valid"):
        await issuer.verifier().verify(token)


async def test_a_new_key_is_found_without_a_restart(issuer, identity_clock):
    verifier = issuer.verifier()
    await verifier.verify(issuer.token())
    issuer.has("k1", "k2")
    with pytest.raises(Unauthenticated, match="unknown key"):  # the issuer was asked a moment ago
        await verifier.verify(issuer.token("k2"))
    identity_clock.ahead = identity.COOL_DOWN_SECONDS + 1
    assert await verifier.verify(issuer.token("k2"))


async def test_a_withdrawn_key_is_forgotten(issuer, identity_clock):
    verifier = issuer.verifier()
    await verifier.verify(issuer.token())
    issuer.has("k2")
    identity_clock.ahead = identity.REFRESH_SECONDS + 1
    with pytest.raises(Unauthenticated, match="unknown key"):
        await verifier.verify(issuer.token(exp=int(time.time()) + 9999))


async def test_a_verdict_ends_with_the_key_that_verified_it(issuer, identity_clock):
    verifier, token = issuer.verifier(), issuer.token(exp=int(time.time()) + 9999)
    assert await verifier.verify(token)
    issuer.has("k2")
    identity_clock.ahead = identity.REFRESH_SECONDS + 1
    with pytest.raises(Unauthenticated, match="unknown key"):
        await verifier.verify(token)


async def test_a_verdict_outlives_a_fetch_of_unchanged_keys(issuer, identity_clock):
    verifier, token = issuer.verifier(), issuer.token(exp=int(time.time()) + 9999)
    first = await verifier.verify(token)
    issuer.has("k1", "k2")
    identity_clock.ahead = identity.REFRESH_SECONDS + 1
    assert await verifier.verify(token) is first
    assert await verifier.verify(issuer.token("k2", exp=int(time.time()) + 9999))


async def test_a_token_of_a_key_that_was_replaced_under_its_name_is_refused(issuer, identity_clock):
    verifier, token = issuer.verifier(), issuer.token(exp=int(time.time()) + 9999)
    assert await verifier.verify(token)
    del issuer.keys["k1"]
    issuer.has("k1")
    identity_clock.ahead = identity.REFRESH_SECONDS + 1
    with pytest.raises(Unauthenticated, match="not valid"):
        await verifier.verify(token)


async def test_a_verdict_is_remembered_and_ends_with_the_token(issuer, identity_clock):
    verifier, token = issuer.verifier(), issuer.token()
    first = await verifier.verify(token)
    issuer.path.unlink()
    assert await verifier.verify(token) is first
    identity_clock.ahead = 60 + identity.LEEWAY_SECONDS + 1
    with pytest.raises(Unauthenticated, match="expired"):
        await verifier.verify(token)


async def test_only_so_many_verdicts_are_remembered(issuer, monkeypatch):
    monkeypatch.setattr(identity, "CACHE_SIZE", 2)
    verifier, tokens = issuer.verifier(), [issuer.token() for _ in range(3)]
    first = [await verifier.verify(token) for token in tokens]
    assert await verifier.verify(tokens[2]) is first[2]
    assert await verifier.verify(tokens[0]) is not first[0]


@pytest.mark.parametrize("document", ["", "[]", "{}", '{"keys": []}', '{"keys": [{"kty": "EC"}]}', '{"keys": 5}'])
async def test_a_token_is_not_refused_because_the_keys_cannot_be_read(issuer, document):
    issuer.path.write_text(document)
    with pytest.raises(TryAgain):
        await issuer.verifier().verify(issuer.token())


async def test_keys_are_fetched_from_an_issuer_that_is_away_only_after_a_while(issuer, identity_clock):
    verifier, shown = issuer.verifier(), issuer.path.read_text()
    issuer.path.unlink()
    with pytest.raises(TryAgain):
        await verifier.verify(issuer.token())
    issuer.path.write_text(shown)
    with pytest.raises(TryAgain):
        await verifier.verify(issuer.token())
    identity_clock.ahead = identity.COOL_DOWN_SECONDS + 1
    assert await verifier.verify(issuer.token())


async def test_known_keys_outlast_an_issuer_that_is_away(issuer, identity_clock):
    verifier = issuer.verifier()
    await verifier.verify(issuer.token())
    issuer.path.unlink()
    identity_clock.ahead = identity.REFRESH_SECONDS + 1
    assert await verifier.verify(issuer.token(exp=int(time.time()) + 9999))


async def test_known_keys_are_not_accepted_for_ever_while_the_issuer_is_away(issuer, identity_clock):
    verifier = issuer.verifier()
    await verifier.verify(issuer.token())
    issuer.path.unlink()
    identity_clock.ahead = identity.STALE_SECONDS + 1
    with pytest.raises(TryAgain):
        await verifier.verify(issuer.token(exp=int(time.time()) + 9999))


async def test_tokens_with_unknown_key_names_rarely_cause_a_fetch(issuer, identity_clock, monkeypatch):
    verifier, asked = issuer.verifier(), []
    download = identity.KeySet._download
    monkeypatch.setattr(identity.KeySet, "_download", lambda keys: asked.append(1) or download(keys))
    issuer.keys |= {f"x{number}": issuer.keys["k1"] for number in range(50)}
    for number in range(50):
        with pytest.raises(Unauthenticated, match="unknown key"):
            await verifier.verify(issuer.token(f"x{number}"))
    assert len(asked) == 1


class SlowIssuer:
    """The issuer's answer takes as long as the test says; `looks` counts the fetches."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers, self.looks = threading.Event(), 0
        self._fetch = identity.KeySet._download
        monkeypatch.setattr(identity.KeySet, "_download", lambda keys: self._answer(keys))

    def _answer(self, keys: identity.KeySet) -> Any:
        self.looks += 1
        self.answers.wait(10)
        return self._fetch(keys)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowIssuer]:
    issuer = SlowIssuer(monkeypatch)
    yield issuer
    issuer.answers.set()


async def test_a_caller_that_leaves_does_not_stop_the_fetch_of_the_keys(issuer, identity_clock, slow):
    verifier = issuer.verifier()
    leaving = [asyncio.ensure_future(verifier.verify(issuer.token())) for _ in range(9)]
    await asyncio.sleep(0.01)
    for call in leaving:
        call.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    identity_clock.ahead = identity.COOL_DOWN_SECONDS + 1  # no stranger's second question hides the first one's answer
    slow.answers.set()
    assert await verifier.verify(issuer.token())
    assert slow.looks == 1


async def test_known_keys_do_not_wait_for_an_issuer_that_does_not_answer(issuer, identity_clock, slow):
    verifier, token = issuer.verifier(), issuer.token(exp=int(time.time()) + 9999)
    slow.answers.set()
    await verifier.verify(token)
    slow.answers.clear()
    identity_clock.ahead = identity.REFRESH_SECONDS + 1
    began = time.monotonic()
    assert await verifier.verify(token)
    assert time.monotonic() - began < identity.FETCH_SECONDS / 2


async def test_keys_in_use_are_fetched_before_they_are_old_while_no_call_waits(issuer, identity_clock, slow):
    verifier, token = issuer.verifier(), issuer.token(exp=int(time.time()) + 9999)
    slow.answers.set()
    first = await verifier.verify(token)
    slow.answers.clear()
    identity_clock.ahead = identity.REFRESH_SECONDS / 2 + 1
    assert await verifier.verify(token) is first

    async def has_fetched_again() -> bool:
        return slow.looks == 2

    await wait_until(has_fetched_again)


async def test_an_issuer_whose_answer_never_ends_counts_as_away(issuer, slow, monkeypatch):
    monkeypatch.setattr(identity, "FETCH_SECONDS", 0.05)
    with pytest.raises(TryAgain, match="cannot be read"):
        await issuer.verifier().verify(issuer.token())


def test_a_renewed_service_token_is_read_again(tmp_path: Path, identity_clock):
    file = tmp_path / "own.token"
    file.write_text("one\n")
    source = ServiceTokenFile(file)
    assert source.metadata() == (("x-service-token", "one"),)
    file.write_text("two\n")
    assert source.metadata() == (("x-service-token", "one"),)
    identity_clock.ahead = ServiceTokenFile.REREAD_SECONDS + 1
    assert source.metadata() == (("x-service-token", "two"),)


@pytest.mark.parametrize("now", [None, "", "half a\ntoken"])
def test_a_service_token_whose_file_is_away_for_a_moment_costs_no_call(tmp_path: Path, identity_clock, now):
    file = tmp_path / "own.token"
    file.write_text("one\n")
    source = ServiceTokenFile(file)
    assert source.metadata()
    file.unlink() if now is None else file.write_text(now)
    identity_clock.ahead = ServiceTokenFile.REREAD_SECONDS + 1
    assert source.metadata() == (("x-service-token", "one"),)
    file.write_text("two\n")
    identity_clock.ahead *= 2
    assert source.metadata() == (("x-service-token", "two"),)


def test_a_service_token_file_that_never_existed_is_an_error(tmp_path: Path):
    with pytest.raises(OSError, match=r"own\.token"):
        ServiceTokenFile(tmp_path / "own.token").metadata()
