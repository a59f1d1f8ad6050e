"""Ids and empty fields, as Stripe writes them."""

from __future__ import annotations

import secrets
import string

from devkit.sandbox.wire.errors import Json

_ALPHABET = string.ascii_letters + string.digits


def new_id(prefix: str, length: int = 24) -> str:
    """A random id in Stripe's format: a prefix such as `pi`, and 24 letters and digits."""
    return f"{prefix}_{''.join(_ALPHABET[byte % len(_ALPHABET)] for byte in secrets.token_bytes(length))}"


def nulls(names: str) -> Json:
    """The fields of this list of words, all null."""
    return dict.fromkeys(names.split())
