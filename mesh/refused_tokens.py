"""Why a token was refused, for the log: whose clock is ahead, whose key it is. Nothing of the token itself is told.

A caller is told only what is wrong. Whoever runs the mesh has to see why: a clock that is off, a key of another data
folder, an issuer or audience that differs from the settings.
"""

from __future__ import annotations

import time
from typing import Any

import jwt

from mesh.errors import Unauthenticated
from mesh.logs import log
from mesh.metrics.process import TOKENS_REFUSED

#: Anybody can send bad tokens, as many as they like: of each cause one line in so many seconds.
EVERY_SECONDS = 1.0
MOST_CHARACTERS = 100
_CAUSES = {
    jwt.ImmatureSignatureError: "the clock of its issuer is ahead of this one",
    jwt.ExpiredSignatureError: "it has expired, or the clock of its issuer is behind this one",
    jwt.InvalidIssuerError: "its issuer is not AUTH_ISSUER",
    jwt.InvalidAudienceError: "its audience is not AUTH_AUDIENCE",
    jwt.InvalidSignatureError: "its signature does not fit the key that it names",
    jwt.MissingRequiredClaimError: "a claim is missing",
}
#: The same causes as labels of a metric.
_LABELS = {
    jwt.ImmatureSignatureError: "not_yet_valid",
    jwt.ExpiredSignatureError: "expired",
    jwt.InvalidIssuerError: "issuer",
    jwt.InvalidAudienceError: "audience",
    jwt.InvalidSignatureError: "signature",
    jwt.MissingRequiredClaimError: "claim_missing",
}


class UnknownKey(Unauthenticated):
    """The token is signed by an unknown key."""


class RefusedTokens:
    """Logs refused tokens, rarely."""

    def __init__(self, issuer: str, audience: str) -> None:
        self._expected = {"expected_issuer": issuer, "expected_audience": audience}
        self._logged_at: dict[str, float] = {}

    def note(self, token: str, error: Unauthenticated) -> None:
        """A token was refused with this error."""
        cause = _cause_of(error)
        TOKENS_REFUSED.labels(_label_of(error)).inc()
        if time.monotonic() - self._logged_at.get(cause, float("-inf")) >= EVERY_SECONDS:
            self._logged_at[cause] = time.monotonic()
            log().info("token_refused", why=error.message, cause=cause, **_claims_of(token), **self._expected)


def _cause_of(error: Unauthenticated) -> str:
    if isinstance(error, UnknownKey):
        return "AUTH_JWKS_URL has no such key: it is of another issuer, or of a mesh with another data folder"
    return next((words for kind, words in _CAUSES.items() if isinstance(error.__cause__, kind)), error.message)


def _label_of(error: Unauthenticated) -> str:
    if isinstance(error, UnknownKey):
        return "unknown_key"
    return next((label for kind, label in _LABELS.items() if isinstance(error.__cause__, kind)), "unreadable")


def _claims_of(token: str) -> dict[str, object]:
    """What the token says, unverified: its key's name, issuer and audience, and its times as seconds from now."""
    try:
        parts = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        return {}
    header, payload = parts["header"], parts["payload"]
    texts = {"kid": header.get("kid"), "issuer": payload.get("iss"), "audience": payload.get("aud")}
    times = {"issued_in": payload.get("iat"), "begins_in": payload.get("nbf"), "ends_in": payload.get("exp")}
    shown = {name: _shorten(value) for name, value in texts.items() if value is not None}
    return shown | {name: round(at - time.time()) for name, at in times.items() if _is_time(at)}


def _shorten(value: Any) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in str(value)[:MOST_CHARACTERS])


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
