"""Who calls: people by their JWT, services by a service token (loopback) or a certificate (elsewhere).

A token is an RFC 7519 JWT with `sub` (UUID), `roles`, `iss`, `aud`, `exp`; a service token has the role `service` and
the claim `svc`. Only asymmetric algorithms are accepted.
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
REFRESH_SECONDS = 300
COOL_DOWN_SECONDS = 5
FETCH_SECONDS = 3
CACHE_SIZE = 4096


class CredentialSource(Protocol):
    """How this process says who it is on each call."""

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Metadata to send; empty when the connection itself tells (mTLS)."""


class ServiceTokenFile:
    """A service token in a file that its issuer renews; read again once a minute (as Kubernetes projects tokens)."""

    REREAD_SECONDS = 60

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at = float("-inf")
        self._metadata: tuple[tuple[str, str], ...] = ()

    def metadata(self) -> tuple[tuple[str, str], ...]:
        now = time.monotonic()
        if now - self._read_at > self.REREAD_SECONDS:
            self._metadata = (("x-service-token", self._path.read_text().strip()),)
            self._read_at = now
        return self._metadata


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says."""

    person: Person
    service: str
    expires_at: float


class KeySet:
    """The issuer's public keys, from an https: or file: JWKS URL (RFC 7517); rotated by `kid` without a restart."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = self._asked_at = float("-inf")
        self._lock = asyncio.Lock()

    async def key(self, kid: str) -> jwt.PyJWK:
        """The key of this name. Raises Unauthenticated when the issuer has none, TryAgain when it cannot be asked."""
        age = time.monotonic() - self._fetched_at
        if age > REFRESH_SECONDS or (kid not in self._keys and age > COOL_DOWN_SECONDS):
            await self._refresh(kid)
        if kid not in self._keys:
            raise Unauthenticated("the token is signed by an unknown key")
        return self._keys[kid]

    async def _refresh(self, kid: str) -> None:
        """Ask the issuer; one at a time, and not again within the cool-down, whether it answered or not."""
        async with self._lock:
            if time.monotonic() - self._asked_at > COOL_DOWN_SECONDS:
                await self._ask()
        if kid not in self._keys and self._asked_at != self._fetched_at:
            raise TryAgain("the issuer's keys cannot be read now")

    async def _ask(self) -> None:
        asked_at = time.monotonic()
        try:
            self._keys = await asyncio.to_thread(self._fetch)
            self._fetched_at = asked_at
        except (OSError, ValueError, TypeError, AttributeError, jwt.PyJWTError) as error:
            log().error("issuer_keys_unreadable", url=self._url, error=str(error))
        finally:
            self._asked_at = asked_at

    def _fetch(self) -> dict[str, jwt.PyJWK]:
        with urllib.request.urlopen(self._url, timeout=FETCH_SECONDS) as answer:  # noqa: S310 - settings allow https: and file: only
            document: dict[str, Any] = json.load(answer)
        return {key.key_id: key for key in jwt.PyJWKSet.from_dict(document).keys if key.key_id}


class Verifier:
    """Verifies tokens, and remembers the verdict on each by its hash until it expires."""

    def __init__(self, keys: KeySet, issuer: str, audience: str) -> None:
        self._keys, self._issuer, self._audience = keys, issuer, audience
        self._cache: OrderedDict[bytes, Claims] = OrderedDict()

    async def verify(self, token: str) -> Claims:
        """The claims of a valid token. Raises Unauthenticated (never saying more than what is wrong), TryAgain."""
        digest = hashlib.sha256(token.encode()).digest()
        claims = self._cache.get(digest)
        if claims is None:
            claims = await self._decoded(token)
            self._cache[digest] = claims
            if len(self._cache) > CACHE_SIZE:
                self._cache.popitem(last=False)
        if claims.expires_at <= time.time():
            raise Unauthenticated("the token has expired")
        return claims

    async def _decoded(self, token: str) -> Claims:
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS:
                raise Unauthenticated("the token's algorithm is not accepted")
            key = await self._keys.key(str(header.get("kid", "")))
            payload = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self._issuer,
                audience=self._audience,
                options={"require": ["sub", "exp", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("the token has expired") from error
        except jwt.PyJWTError as error:
            raise Unauthenticated("the token is not valid") from error
        return _claims(payload, token)


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
