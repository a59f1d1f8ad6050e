"""Tokens: a person's JWT, and the service token by which a service says who it is.

A token is an RFC 7519 JWT with `sub` (UUID), `roles`, `iss`, `aud`, `exp`. A service token has the role `service` and
the claim `svc`. Only asymmetric algorithms are accepted, and only the algorithm that the named key is for.

A key that the issuer has withdrawn is still accepted for a while, also by way of a remembered verdict:

    the issuer answers             at most REFRESH_SECONDS
    the issuer answers slowly      at most REFRESH_SECONDS + FETCH_SECONDS
    the issuer does not answer     at most STALE_SECONDS
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
from mesh.refused_tokens import RefusedTokens, UnknownKey

ALGORITHMS = ("ES256", "RS256", "EdDSA")
ROLES = frozenset({"student", "tutor", "admin", "service"})
#: The age at which keys are fetched again, and the least time between two fetches.
REFRESH_SECONDS, COOL_DOWN_SECONDS = 60, 5
#: The age up to which known keys are accepted while the issuer does not answer.
STALE_SECONDS = 3600
#: How long a fetch may take, and how long a call whose key is known waits for it.
FETCH_SECONDS, KNOWN_KEY_WAIT_SECONDS = 3, 0.25
MAX_JWKS_BYTES = 1024 * 1024
CACHE_SIZE = 4096
#: How far the issuer's clock may be from ours, for `exp`, `nbf` and `iat`.
LEEWAY_SECONDS = 5
MAX_TOKEN_CHARACTERS = 8192


class CredentialSource(Protocol):
    """The identity of this process on each call that it makes."""

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The metadata to send; empty when the connection itself names the service (mTLS)."""


class ServiceTokenFile:
    """A service token in a file that its issuer renews, read again once a minute (as Kubernetes projects tokens).

    The last good token is kept while the file is missing or empty. Raises OSError, ValueError when no read has
    succeeded yet.
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
    """The token in a file. Raises OSError, and ValueError when the file holds no printable ASCII text."""
    token = path.read_text().strip()
    if not token.isascii() or not token.isprintable() or not token:
        raise ValueError("holds no token")
    return token


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a verified token. `service` is empty in a person's; `expires_at` is in seconds since 1970."""

    person: Person
    service: str
    expires_at: float
    #: The token has the claim `svc`, whatever its value and its roles: it was made for a program.
    is_for_service: bool = False


class KeySet:
    """The issuer's public keys, from an https: or file: JWKS URL (RFC 7517); rotated by `kid` without a restart.

    A fetch belongs to the process: all calls that wait share it, and a caller that leaves does not stop it. Keys in use
    are fetched again at half of REFRESH_SECONDS, and no call waits for that fetch.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = self._asked_at = float("-inf")
        self._is_away = False
        self._fetch: asyncio.Task[None] | None = None

    async def key(self, kid: str) -> jwt.PyJWK:
        """The key of this name. Raises Unauthenticated when the issuer has no such key, TryAgain when it is away."""
        if kid not in self._keys or self._age() > STALE_SECONDS:
            await self._await_fetch(FETCH_SECONDS + 1)
        elif self._age() > REFRESH_SECONDS and not self._is_away:
            await self._await_fetch(KNOWN_KEY_WAIT_SECONDS)
        elif self._age() > REFRESH_SECONDS / 2:
            self.start_fetch()
        if self._age() > STALE_SECONDS:
            raise TryAgain("the issuer's keys cannot be read now")
        if kid in self._keys:
            return self._keys[kid]
        if self._is_away or self._is_fetching():
            raise TryAgain("the issuer's keys cannot be read now")
        raise UnknownKey

    def _age(self) -> float:
        return time.monotonic() - self._fetched_at

    def _is_fetching(self) -> bool:
        return self._fetch is not None and not self._fetch.done()

    async def _await_fetch(self, seconds: float) -> None:
        """Start a fetch unless there was one lately, and wait at most so long for its end."""
        self.start_fetch()
        if self._fetch is not None and self._is_fetching():
            await asyncio.wait([self._fetch], timeout=seconds)  # a cancel of this call does not cancel the fetch

    def start_fetch(self) -> None:
        """Begin a fetch, and wait for nothing. Does nothing while there is one, or shortly after the last."""
        if not self._is_fetching() and time.monotonic() - self._asked_at > COOL_DOWN_SECONDS:
            self._asked_at = time.monotonic()
            self._fetch = asyncio.create_task(self._refresh())

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                found = await asyncio.to_thread(self._download)
            self._keys = {kid: self._keep_unchanged(key) for kid, key in found.items()}
            self._fetched_at, self._is_away = time.monotonic(), False
        except Exception as error:  # a network or a malformed document can raise anything; the next fetch may succeed
            self._is_away = True
            log().error("issuer_keys_unreadable", url=self._url, error=str(error) or type(error).__name__)

    def _download(self) -> dict[str, jwt.PyJWK]:
        with urllib.request.urlopen(self._url, timeout=FETCH_SECONDS) as answer:  # noqa: S310 - settings allow https: and file: only
            document: dict[str, Any] = json.loads(answer.read(MAX_JWKS_BYTES))
        keys = jwt.PyJWKSet.from_dict(document).keys
        return {key.key_id: key for key in keys if key.key_id and _may_sign(key)}

    def _keep_unchanged(self, key: jwt.PyJWK) -> jwt.PyJWK:
        """The known object when the key has not changed, so that the verdicts reached with it stay good."""
        known = self._keys.get(str(key.key_id))
        return known if known is not None and known._jwk_data == key._jwk_data else key


def _may_sign(key: jwt.PyJWK) -> bool:
    """False for a key for encryption (RFC 7517, 4.2), and for a symmetric key, which no public set should have."""
    return key.algorithm_name in ALGORITHMS and key.public_key_use in (None, "sig")


@dataclass(frozen=True, slots=True)
class _Verdict:
    """The claims of a token that was found valid, and the key that verified it."""

    claims: Claims
    kid: str
    key: jwt.PyJWK


class Verifier:
    """Verifies tokens. The verdict on each is kept under the token's hash, as long as token and key are good."""

    def __init__(self, keys: KeySet, issuer: str, audience: str) -> None:
        self._keys, self._issuer, self._audience = keys, issuer, audience
        self._cache: OrderedDict[bytes, _Verdict] = OrderedDict()
        self._refused = RefusedTokens(issuer, audience)

    def fetch_keys(self) -> None:
        """Begin to fetch the issuer's keys, so that the first callers need not wait for them."""
        self._keys.start_fetch()

    async def verify(self, token: str) -> Claims:
        """Verify a token and return its claims. Raises TryAgain, or Unauthenticated, which says only what is wrong.

        The log says why (mesh.refused_tokens).
        """
        try:
            return await self._verify(token)
        except Unauthenticated as error:
            self._refused.note(token[:MAX_TOKEN_CHARACTERS], error)
            raise

    async def _verify(self, token: str) -> Claims:
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise Unauthenticated("the token is too long")
        if not token.isascii():  # JSON can hold a lone surrogate, which no encoding takes
            raise Unauthenticated("the token is not valid")
        digest = hashlib.sha256(token.encode()).digest()
        verdict = self._cache.get(digest)
        if verdict is None or await self._keys.key(verdict.kid) is not verdict.key:
            verdict = self._cache[digest] = await self._decode(token)
            if len(self._cache) > CACHE_SIZE:
                self._cache.popitem(last=False)
        if verdict.claims.expires_at + LEEWAY_SECONDS <= time.time():
            raise Unauthenticated("the token has expired")
        return verdict.claims

    async def _decode(self, token: str) -> _Verdict:
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
        except jwt.ImmatureSignatureError as error:
            raise Unauthenticated("the token is not valid yet: its issuer's clock is ahead") from error
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
    return Claims(person, service, float(payload["exp"]), is_for_service="svc" in payload)
