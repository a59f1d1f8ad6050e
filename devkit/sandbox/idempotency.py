"""Idempotency keys: a repeated request gets the answer of the first.

Source: Stripe, "Idempotent requests". Status and body are kept once the operation has begun, 500s too. Other parameters
or another path are refused. A key is forgotten after 24 hours.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from devkit.sandbox.store import Store
from devkit.sandbox.wire.errors import ApiError
from devkit.sandbox.wire.params import Params

LIFETIME = 24 * 3600
_MAX_KEY = 255


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a request. `original` is the first request's id when this answer repeats it."""

    status: int
    text: str
    original: str | None = None


class Keys:
    """The answers kept under keys, and the keys of requests that are being executed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._in_use: set[str] = set()

    def recall(self, key: str, path: str, params: Params) -> Answer | None:
        """The answer kept under the key, or None for a new key.

        Raises ApiError 400 for a key with another request, and 409 for a key in use.
        """
        if len(key) > _MAX_KEY:
            raise _misuse(f"Idempotency keys can have up to {_MAX_KEY} characters.")
        if key in self._in_use:
            raise _in_use(key)
        kept = self._store.execute(
            "select path, params, status, body, request_id from kept_answer where key = ? and at > ?",
            (key, time.time() - LIFETIME),
        ).fetchone()
        if kept is None:
            return None
        first_path, first_params, status, body, request_id = kept
        if first_path != path:
            raise _misuse(
                "Keys for idempotent requests can only be used for the same endpoint they were first used for "
                f"('{path}' vs '{first_path}'). Try using a key other than '{key}' if you meant to execute a "
                "different request."
            )
        if first_params != _canonical(params):
            raise _misuse(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request."
            )
        return Answer(status, body, request_id)

    def keep(self, key: str, path: str, params: Params, answer: Answer, request_id: str) -> None:
        """Keep the first answer. Call it in the transaction of the operation."""
        values = (key, path, _canonical(params), answer.status, answer.text, request_id, time.time())
        self._store.execute("insert or replace into kept_answer values (?, ?, ?, ?, ?, ?, ?)", values)

    def take(self, key: str) -> None:
        """Mark a key as in use, for an operation that waits before it runs."""
        self._in_use.add(key)

    def release(self, key: str) -> None:
        self._in_use.discard(key)

    def forget(self) -> int:
        """Forget every key, as if a day had passed. Returns how many there were."""
        return self._store.execute("delete from kept_answer").rowcount


def _canonical(params: Params) -> str:
    return json.dumps(params.raw, sort_keys=True)


def _misuse(message: str) -> ApiError:
    return ApiError(message, type="idempotency_error")


def _in_use(key: str) -> ApiError:
    message = f"There is currently another in-progress request using this Stripe Idempotent Key: {key}."
    return ApiError(message, status=409, type="idempotency_error", code="idempotency_key_in_use")
