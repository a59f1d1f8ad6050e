"""The token of a link: what it says and its signature, as text for a URL. A link needs no row.

| bytes | what |
|---|---|
| 1 | the purpose and the person |
| 16 | the booking or the enrollment |
| 4 | when it ends, in seconds since 1970 |
| 32 | HMAC-SHA256 of these, under a key that derives from LINK_SECRET |

Equal contents give equal tokens, so that each tab and each reload has the same page.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

#: Begins each token. Logs find a token by it (mesh.logs), wherever it stands.
PREFIX = "lk_"
_FORM = re.compile(rf"{PREFIX}([\w-]{{71}})", re.ASCII)
_BODY = struct.Struct(">B16sI")
_LATEST = 2**32 - 1


class Purpose(StrEnum):
    """What a link is good for."""

    CHECKOUT = "checkout"  # to see what is bought, and to pay
    MANAGE = "manage"  # to see what was bought, and to cancel


class LinkPerson(StrEnum):
    """Who a link is for: one of the two people of the purchase."""

    STUDENT = "STUDENT"
    TUTOR = "TUTOR"  # of a course: its instructor


#: The first byte. A number is never used for anything else: tokens of years before would mean it.
_KINDS = {
    (Purpose.CHECKOUT, LinkPerson.STUDENT): 1,
    (Purpose.MANAGE, LinkPerson.STUDENT): 2,
    (Purpose.MANAGE, LinkPerson.TUTOR): 3,
}
_KIND_OF = {number: kind for kind, number in _KINDS.items()}


@dataclass(frozen=True, slots=True)
class Link:
    """What a token says."""

    purpose: Purpose
    person: LinkPerson
    sold_id: UUID  # the booking or the enrollment
    expires_at: int  # seconds since 1970


class Tokens:
    """Signs links with the first of these secrets, and believes links that any of them signed."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = [hmac.digest(secret.encode(), b"tutormesh link 1", hashlib.sha256) for secret in secrets]

    def sign(self, link: Link) -> str:
        """The token: 74 characters of A-Z, a-z, 0-9, _ and -."""
        kind = _KINDS[link.purpose, link.person]
        body = _BODY.pack(kind, link.sold_id.bytes, min(link.expires_at, _LATEST))
        return _write(body + _signature(self._keys[0], body))

    def read(self, token: str) -> Link | None:
        """What a token says that we signed; None for any other text. The caller looks at its end and its purpose."""
        form = _FORM.fullmatch(token)
        if form is None:
            return None
        raw = base64.urlsafe_b64decode(form[1] + "=")
        if _write(raw) != token:  # the last letter has two bits that are no part of it: one link has one address
            return None
        body, signature = raw[: _BODY.size], raw[_BODY.size :]
        believed = [hmac.compare_digest(_signature(key, body), signature) for key in self._keys]
        number, sold, expires_at = _BODY.unpack(body)
        if not any(believed) or number not in _KIND_OF:
            return None
        purpose, person = _KIND_OF[number]
        return Link(purpose, person, UUID(bytes=sold), expires_at)


def _write(raw: bytes) -> str:
    return PREFIX + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _signature(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, hashlib.sha256)
