"""Webhooks: a signed POST to one URL. An answer of 2xx means that the message was taken."""

from __future__ import annotations

import asyncio
import json
import time

import httpx

from mesh import clock
from payment_svc.domain.messages import Audience, Message
from payment_svc.domain.signing import signed_headers
from payment_svc.http import open_client
from payment_svc.notifications.notifier import ManageUrl, NotDelivered, for_person, link_nowhere

#: So much of an answer is read and thrown away, so that its connection can be used again.
MOST_ANSWER_BYTES = 4096
_MANAGE_URLS = {"studentManageUrl": Audience.STUDENT, "tutorManageUrl": Audience.TUTOR}


class Webhook:
    """The channel `webhook`. It follows no redirect, which would carry people's data to another place."""

    channel = "webhook"
    audiences = (Audience.EVERYBODY,)

    def __init__(self, url: str, secret: str, timeout: float, manage_url: ManageUrl = link_nowhere) -> None:
        self.timeout = timeout
        self._url, self._secret, self._manage_url = url, secret, manage_url
        self._http = open_client(timeout)

    async def send(self, message: Message) -> None:
        """Raises NotDelivered for every answer but 2xx, and for none within the timeout."""
        try:
            async with asyncio.timeout(self.timeout):
                status = await self._post(str(message.id), encode(message, self._manage_url))
        except (httpx.HTTPError, OSError) as error:  # their words may name the address
            raise NotDelivered(type(error).__name__) from None
        if not 200 <= status < 300:
            raise NotDelivered(f"answered {status}")

    async def close(self) -> None:
        await self._http.aclose()

    async def _post(self, id_: str, body: bytes) -> int:
        headers = {"Content-Type": "application/json", "User-Agent": "tutormesh"}
        headers |= signed_headers(self._secret, id_, body, int(time.time()))
        async with self._http.stream("POST", self._url, content=body, headers=headers) as answer:
            read = 0
            async for chunk in answer.aiter_raw():
                read += len(chunk)
                if read > MOST_ANSWER_BYTES:
                    break
            return answer.status_code


def encode(message: Message, manage_url: ManageUrl = link_nowhere) -> bytes:
    """The body, with the links of both people: the same bytes on every try."""
    urls = {field: manage_url(for_person(message, audience)) for field, audience in _MANAGE_URLS.items()}
    body = {
        "id": str(message.id),
        "type": message.type,
        "createdAt": clock.iso(message.created_at),
        "data": message.data | {field: url for field, url in urls.items() if url},
    }
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
