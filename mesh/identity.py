"""Who calls: people by their JWT, services by a service token (loopback) or a certificate (elsewhere).

A token is an RFC 7519 JWT with `sub` (UUID), `roles`, `iss`, `aud`, `exp`; a service token has the role `service` and
the claim `svc`. Only asymmetric algorithms are accepted, and only the one that the named key is for. What the issuer
withdraws from its keys is believed for at most REFRESH_SECONDS more (and FETCH_SECONDS when it is slow to answer, or
STALE_SECONDS when it does not), though a verdict on it be remembered.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
import urllib.request
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import jwt

from mesh.calls import Person
from mesh.errors import TryAgain, Unauthenticated
from mesh.logs import log

ALGORITHMS = ("ES256", "RS256", "EdDSA")
ROLES = frozenset({"student", "tutor", "admin", "service"})
#: How old the issuer's keys may grow, and how often at most it is asked.
REFRESH_SECONDS, COOL_DOWN_SECONDS = 60, 5
#: How long known keys are believed while the issuer cannot be asked.
STALE_SECONDS = 3600
#: How long one look at the keys may take, and how long who has a known key waits for it.
FETCH_SECONDS, PATIENCE_SECONDS = 3, 0.25
MAX_JWKS_BYTES = 1024 * 1024
CACHE_SIZE = 4096
#: How far the issuer's clock may be from ours, for `exp`, `nbf` and `iat`.
LEEWAY_SECONDS = 5
MAX_TOKEN_CHARACTERS = 8192


class CredentialSource(Protocol):
    """How this process says who it is on each call."""

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Metadata to send; empty when the connection itself tells (mTLS)."""


class ServiceTokenFile:
    """A service token in a file that its issuer renews; read again once a minute (as Kubernetes projects tokens).

    The last good one is kept while the file is away or empty. Raises OSError, ValueError when there never was one.
    """

    REREAD_SECONDS = 60

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at = float("-inf")
        self._metadata: tuple[tuple[str, str], ...] = ()

    def metadata(self) -> tuple[tuple[str, str], ...]:
        now = time.monotonic()
        if now - self._read_at > self.REREAD_SECONDS:
            self._read(now)
        return self._metadata

    def _read(self, now: float) -> None:
        try:
            self._metadata = (("x-service-token", service_token(self._path)),)
        except (OSError, ValueError) as error:
            if not self._metadata:
                raise
            log().error("service_token_unreadable", path=str(self._path), error=str(error))
        self._read_at = now


def service_token(path: Path) -> str:
    """The token in a file. Raises OSError, ValueError when it holds nothing that could be one."""
    token = path.read_text().strip()
    if not token.isascii() or not token.isprintable() or not token:
        raise ValueError("holds no token")
    return token


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says."""

    person: Person
    service: str
    expires_at: float


class KeySet:
    """The issuer's public keys, from an https: or file: JWKS URL (RFC 7517); rotated by `kid` without a restart.

    The look at them belongs to the process, not to the call that asked for it: a caller who leaves stops nothing, and
    all who wait share one. While the keys are in use they are read again before they are too old, and nobody waits.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = self._asked_at = float("-inf")
        self._is_away = False
        self._asking: asyncio.Task[None] | None = None

    async def key(self, kid: str) -> jwt.PyJWK:
        """The key of this name. Raises Unauthenticated when the issuer has none, TryAgain when it cannot be asked."""
        if kid not in self._keys or self._age() > STALE_SECONDS:
            await self._answer(FETCH_SECONDS + 1)
        elif self._age() > REFRESH_SECONDS and not self._is_away:
            await self._answer(PATIENCE_SECONDS)
        elif self._age() > REFRESH_SECONDS / 2:
            self._ask()
        if self._age() > STALE_SECONDS:
            raise TryAgain("the issuer's keys cannot be read now")
        if kid in self._keys:
            return self._keys[kid]
        if self._is_away or self._is_asking():
            raise TryAgain("the issuer's keys cannot be read now")
        raise Unauthenticated("the token is signed by an unknown key")

    def _age(self) -> float:
        return time.monotonic() - self._fetched_at

    def _is_asking(self) -> bool:
        return self._asking is not None and not self._asking.done()

    async def _answer(self, patience: float) -> None:
        """Ask the issuer unless that was done lately, and wait so long for the answer."""
        self._ask()
        if self._asking is not None and self._is_asking():
            await asyncio.wait([self._asking], timeout=patience)  # it leaves the task alone when we are cancelled

    def _ask(self) -> None:
        if not self._is_asking() and time.monotonic() - self._asked_at > COOL_DOWN_SECONDS:
            self._asked_at = time.monotonic()
            self._asking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                found = await asyncio.to_thread(self._fetch)
            self._keys = {kid: self._same(key) for kid, key in found.items()}
            self._fetched_at, self._is_away = time.monotonic(), False
        except Exception as error:  # whatever a network and a stranger's document can raise: said, and asked again
            self._is_away = True
            log().error("issuer_keys_unreadable", url=self._url, error=str(error) or type(error).__name__)

    def _fetch(self) -> dict[str, jwt.PyJWK]:
        with urllib.request.urlopen(self._url, timeout=FETCH_SECONDS) as answer:  # noqa: S310 - settings allow https: and file: only
            document: dict[str, Any] = json.loads(answer.read(MAX_JWKS_BYTES))
        keys = jwt.PyJWKSet.from_dict(document).keys
        return {key.key_id: key for key in keys if key.key_id and _verifies(key)}

    def _same(self, key: jwt.PyJWK) -> jwt.PyJWK:
        """A key that has not changed stays the object it was: what was verified by it still is."""
        known = self._keys.get(str(key.key_id))
        return known if known is not None and known._jwk_data == key._jwk_data else key


def _verifies(key: jwt.PyJWK) -> bool:
    """RFC 7517, 4.2: a key for encryption signs nothing; a symmetric one has no business in a public set."""
    return key.algorithm_name in ALGORITHMS and key.public_key_use in (None, "sig")


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What was found of a token, and by which key."""

    claims: Claims
    kid: str
    key: jwt.PyJWK


class Verifier:
    """Verifies tokens, and remembers the verdict on each by its hash, for as long as token and key are good."""

    def __init__(self, keys: KeySet, issuer: str, audience: str) -> None:
        self._keys, self._issuer, self._audience = keys, issuer, audience
        self._cache: OrderedDict[bytes, _Verdict] = OrderedDict()

    async def verify(self, token: str) -> Claims:
        """The claims of a valid token. Raises Unauthenticated (never saying more than what is wrong), TryAgain."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise Unauthenticated("the token is too long")
        digest = hashlib.sha256(token.encode()).digest()
        verdict = self._cache.get(digest)
        if verdict is None or await self._keys.key(verdict.kid) is not verdict.key:
            verdict = self._cache[digest] = await self._decoded(token)
            if len(self._cache) > CACHE_SIZE:
                self._cache.popitem(last=False)
        if verdict.claims.expires_at + LEEWAY_SECONDS <= time.time():
            raise Unauthenticated("the token has expired")
        return verdict.claims

    async def _decoded(self, token: str) -> _Verdict:
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS:
                raise Unauthenticated("the token's algorithm is not accepted")
            kid = str(header.get("kid", ""))
            key = await self._keys.key(kid)
            payload = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["sub", "exp", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("the token has expired") from error
        except jwt.PyJWTError as error:
            raise Unauthenticated("the token is not valid") from error
        return _Verdict(_claims(payload, token), kid, key)


def _claims(payload: dict[str, Any], token: str) -> Claims:
    roles = payload.get("roles")
    if not isinstance(roles, list) or not ROLES.issuperset(map(str, roles)):
        raise Unauthenticated("the token's roles are not valid")
    service = str(payload.get("svc", "")) if "service" in roles else ""
    try:
        person = Person(id=UUID(str(payload["sub"])), roles=frozenset(map(str, roles)), token=token)
    except ValueError as error:
        raise Unauthenticated("the token's subject is not a UUID") from error
    return Claims(person, service, float(payload["exp"]))
