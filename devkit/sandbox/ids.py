"""Ids and empty fields, as Stripe writes them."""

from __future__ import annotations

import secrets
import string

from .errors import Json

_ALPHABET = string.ascii_letters + string.digits


def new_id(prefix: str, length: int = 24) -> str:
    """An id as Stripe makes them: `pi_` and 24 letters and digits."""
    return f"{prefix}_{''.join(secrets.choice(_ALPHABET) for _ in range(length))}"


def nulls(names: str) -> Json:
    """These fields, all null."""
    return dict.fromkeys(names.split())
