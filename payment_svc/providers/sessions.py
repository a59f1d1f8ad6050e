"""Asks a provider that calls us back for a payment session: a signed POST to its URL. The only file that calls it.

The request is the same at every try, and so is its id: the provider answers a repeat with the session that there is.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from mesh import clock
from mesh.money import Money
from payment_svc.domain import Saga
from payment_svc.domain.signing import signed_headers
from payment_svc.http import open_client
from payment_svc.providers.port import OutcomeUnknown, ProviderRefused, Unreadable

#: So long may an answer be.
MOST_ANSWER_BYTES = 16_384
#: So long may what it names be.
MOST_ID, MOST_URL = 255, 2048
#: The statuses by which a provider says that it will not take this payment. After any other the outcome is unknown.
REFUSALS = frozenset({400, 402, 422})


@dataclass(frozen=True, slots=True)
class AskedEngine:
    """Where a provider is asked for sessions, and the secret that signs the requests."""

    url: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PaymentSession:
    """What a provider answers: its own name of the session, and where its payer pays."""

    id: str
    url: str = field(repr=False)


class PaymentSessions:
    """The providers that are asked, by their names in PAYMENT_ENGINES. It follows no redirect."""

    def __init__(self, engines: Mapping[str, AskedEngine], timeout: float) -> None:
        self._engines, self._timeout = engines, timeout
        self._http = open_client(timeout)

    def asks(self, engine: str) -> bool:
        """True when this provider is asked. The others only call back."""
        return engine in self._engines

    async def ask(self, engine: str, saga: Saga, price: Money) -> PaymentSession:
        """The session for a saga's payment. Raises ProviderRefused, OutcomeUnknown, Unreadable."""
        asked = self._engines[engine]
        try:
            async with asyncio.timeout(self._timeout):
                status, answer = await self._post(asked, saga.payment_id, encode(engine, saga, price))
        except (httpx.HTTPError, OSError) as error:  # their words may name the address
            raise OutcomeUnknown(f"no answer of {engine}: {type(error).__name__}") from None
        if status in REFUSALS:
            raise ProviderRefused(str(status), f"{engine} takes no such payment")
        if not 200 <= status < 300:
            raise OutcomeUnknown(f"{engine} answered {status}")
        return read_session(answer)

    async def close(self) -> None:
        await self._http.aclose()

    async def _post(self, asked: AskedEngine, request_id: UUID, body: bytes) -> tuple[int, bytes]:
        """The status and the body of the answer. Raises Unreadable for a body that is too long."""
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "tutormesh"}
        headers |= {"Accept-Encoding": "identity", "Idempotency-Key": str(request_id)}
        headers |= signed_headers(asked.secret, str(request_id), body, int(time.time()))
        async with self._http.stream("POST", asked.url, content=body, headers=headers) as answer:
            read = bytearray()
            async for chunk in answer.aiter_raw(4096):
                read += chunk
                if len(read) > MOST_ANSWER_BYTES:
                    raise Unreadable(f"the answer is longer than {MOST_ANSWER_BYTES} bytes")
            return answer.status_code, bytes(read)


def encode(engine: str, saga: Saga, price: Money) -> bytes:
    """The body: the same bytes on every try."""
    ends = saga.purchase_facts.hold_expires_at
    subject = "booking_uuid" if saga.course_id is None else "enrollment_uuid"
    body = {
        "request_id": str(saga.payment_id),
        "payment_engine": engine,
        subject: str(saga.sold_id),
        "saga_id": str(saga.id),
        "amount": price.decimal,
        "amount_minor": price.amount_minor,
        "currency": price.currency,
        "hold_expires_at": clock.iso(ends) if ends else None,
    }
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def read_session(body: bytes) -> PaymentSession:
    """The session in an answer. Raises Unreadable: its message names the field, and never quotes the answer."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise Unreadable("the answer is no JSON") from None
    if not isinstance(answer, dict):
        raise Unreadable("the answer is no object")
    return PaymentSession(_read_id(answer.get("payment_session_id")), _read_url(answer.get("payment_url")))


def _read_id(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(rf"[!-~]{{1,{MOST_ID}}}", value):
        raise Unreadable(f"payment_session_id is no text of 1 to {MOST_ID} printable characters")
    return value


def _read_url(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(rf"[!-~]{{1,{MOST_URL}}}", value) or not is_https(value):
        raise Unreadable("payment_url is no https URL")
    return value


def is_https(url: str) -> bool:
    """True for a whole https URL that carries no user and no password."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        return False
