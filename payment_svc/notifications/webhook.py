"""Webhooks: a signed POST to one URL. Whatever answers 2xx has taken the message."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from http.cookiejar import DefaultCookiePolicy

import httpx

from mesh import clock
from payment_svc.domain.messages import Audience, Message
from payment_svc.notifications.notifier import NotDelivered

SIGNATURE_HEADER = "Tutormesh-Signature"
#: Of an answer so much is read, and thrown away, so that its connection can be used again.
MOST_ANSWER_BYTES = 4096
CONNECTIONS = 16


class Webhook:
    """The channel `webhook`. Redirects are not followed: they would carry people's data where nobody has sent it."""

    channel = "webhook"
    audiences = (Audience.EVERYBODY,)

    def __init__(self, url: str, secret: str, timeout: float) -> None:
        self.timeout = timeout
        self._url, self._secret = url, secret
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=30)
        self._http = httpx.AsyncClient(timeout=timeout, limits=limits, follow_redirects=False)
        self._http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # a receiver's would only pile up

    async def tell(self, message: Message) -> None:
        """Raises NotDelivered for every answer but 2xx, and for none within the timeout."""
        try:
            async with asyncio.timeout(self.timeout):
                status = await self._post(encoded(message))
        except (httpx.HTTPError, OSError) as error:  # their words may name the address
            raise NotDelivered(type(error).__name__) from None
        if not 200 <= status < 300:
            raise NotDelivered(f"answered {status}")

    async def close(self) -> None:
        await self._http.aclose()

    async def _post(self, body: bytes) -> int:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "tutormesh",
            SIGNATURE_HEADER: signature(self._secret, body, int(time.time())),
        }
        async with self._http.stream("POST", self._url, content=body, headers=headers) as answer:
            read = 0
            async for chunk in answer.aiter_raw():
                read += len(chunk)
                if read > MOST_ANSWER_BYTES:
                    break
            return answer.status_code


def encoded(message: Message) -> bytes:
    """The body: the same bytes on every try."""
    told = {
        "id": str(message.id),
        "type": message.type,
        "createdAt": clock.iso(message.created_at),
        "data": message.data,
    }
    return json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def signature(secret: str, body: bytes, at: int) -> str:
    """The header of a body sent at `at` (Unix seconds): t=…,v1=hex(HMAC-SHA256(secret, "t.body")).

    Source of the scheme: Stripe, "Verify webhook signatures manually".
    """
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"
