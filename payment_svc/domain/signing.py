"""How a request of ours is signed, so that its receiver knows who sent it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

SIGNATURE_HEADER = "Tutormesh-Signature"
#: A secret of this form has its key as base64 behind the prefix, as the specification of Standard Webhooks asks.
KEY_PREFIX = "whsec_"


def signed_headers(secret: str, id_: str, body: bytes, at: int) -> dict[str, str]:
    """The headers that sign a body sent at `at` (Unix seconds), in both schemes; `id_` names the request at each try."""
    return {
        SIGNATURE_HEADER: sign(secret, body, at),
        "webhook-id": id_,
        "webhook-timestamp": str(at),
        "webhook-signature": sign_standard(to_key(secret), id_, body, at),
    }


def sign(secret: str, body: bytes, at: int) -> str:
    """The header of a body sent at `at` (Unix seconds): t=…,v1=hex(HMAC-SHA256(secret, "t.body")).

    Source of the scheme: Stripe, "Verify webhook signatures manually".
    """
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def sign_standard(key: bytes, id_: str, body: bytes, at: int) -> str:
    """The header `webhook-signature` of a body sent at `at` (Unix seconds): v1,base64(HMAC-SHA256(key, "id.at.body")).

    Source of the scheme: the specification of Standard Webhooks, "Signature scheme".
    """
    digest = hmac.new(key, f"{id_}.{at}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def to_key(secret: str) -> bytes:
    """The key of `sign_standard`: what `whsec_` holds as base64, or the bytes of a secret of any other form.

    Raises ValueError for `whsec_` with no base64 behind it.
    """
    if not secret.startswith(KEY_PREFIX):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(KEY_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise ValueError(f"must have base64 behind {KEY_PREFIX}")
    return key
