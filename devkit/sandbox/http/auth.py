"""The caller's key: secret, publishable (a browser's), or none. Source: Stripe, "Authentication"."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from devkit.sandbox.wire.errors import ApiError
from devkit.sandbox.wire.params import Params

SECRET_KEY, PUBLISHABLE_KEY = "sk_test_sandbox", "pk_test_sandbox"  # public test keys of the sandbox


def is_publishable(headers: Mapping[str, str], params: Params) -> bool:
    """True for the publishable key, false for the secret one. Raises ApiError 401 for any other key, or none."""
    key = _key(headers.get("authorization", "")) or params.text("key")
    if not key:
        raise _unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using "
            "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
        )
    if key not in (SECRET_KEY, PUBLISHABLE_KEY):
        raise _unauthorized(f"Invalid API Key provided: {key[:8]}****")
    return key == PUBLISHABLE_KEY


def needs_secret_key() -> ApiError:
    """The error for an operation that the publishable key may not use."""
    message = "This API call cannot be made with a publishable API key. Please use a secret API key."
    return ApiError(message, status=403, code="secret_key_required")


def _key(header: str) -> str:
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _unauthorized(message: str) -> ApiError:
    return ApiError(message, status=401)
