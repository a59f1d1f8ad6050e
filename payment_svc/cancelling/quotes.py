"""Quote tokens: a signed promise of an amount, bound to a booking, a person and a payment. A quote needs no row.

The key derives from the provider's secret key, which every replica has and nobody else. A new provider key ends the
quotes that were given in the last 15 minutes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from payment_svc.domain import QuoteExpired

LIFETIME = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Quote:
    """What a token says."""

    booking_id: str
    person_id: str
    payment: str  # the state of the payment it was given for
    minor: int
    percent: int
    rule: str
    expires_at: datetime


class Quotes:
    """Signs and reads quote tokens."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"tutormesh cancellation quote 1", hashlib.sha256)

    def token(self, quote: Quote) -> str:
        facts = [quote.booking_id, quote.person_id, quote.payment, quote.minor, quote.percent, quote.rule]
        body = json.dumps([*facts, quote.expires_at.isoformat()]).encode()
        return f"{_text(body)}.{_text(self._signature(body))}"

    def read(self, token: str) -> Quote:
        """The quote of a token that we signed. Raises QuoteExpired for anything else."""
        body, _, signature = token.partition(".")
        try:
            raw = _bytes(body)
            if not hmac.compare_digest(self._signature(raw), _bytes(signature)):
                raise QuoteExpired
            booking, person, payment, minor, percent, rule, expires = json.loads(raw)
            return Quote(booking, person, payment, minor, percent, rule, datetime.fromisoformat(expires))
        except (ValueError, binascii.Error) as error:
            raise QuoteExpired from error

    def _signature(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, hashlib.sha256)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> Any:
    return base64.urlsafe_b64decode(text.encode("ascii", "strict") + b"=" * (-len(text) % 4))
