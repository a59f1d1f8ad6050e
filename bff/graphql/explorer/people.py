"""GET /graphql/explorer/people: the demo people, whose tokens the explorer uses on a developer's machine.

The developer's kit makes the tokens and names their file in DEMO_TOKENS_FILE. An edge in production does not start with
that setting (mesh.production).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from bff.graphql.explorer import Endpoint
from bff.http.cors import may_connect

NOBODY: Final = b'{"people":[]}'
_LOOPBACK = re.compile(r"(localhost|\[::1\]|127(\.\d{1,3}){3})(:\d{1,5})?", re.ASCII | re.IGNORECASE)
#: What a proxy adds. Behind one, the Host may be the proxy's word for us.
_OF_PROXIES = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")


def serve_people(tokens: Path | None) -> Endpoint:
    """An endpoint that answers the file's text to a browser on this machine, and that there is nobody to all others."""

    async def send_people(request: Request) -> Response:
        told = _read(tokens) if tokens is not None and _is_local(request) else NOBODY
        return Response(told, media_type="application/json", headers={"cross-origin-resource-policy": "same-origin"})

    return send_people


def _read(path: Path) -> bytes:
    """The file is small, and the developer's kit renews it every hour."""
    try:
        return path.read_bytes()
    except OSError:
        return NOBODY


def _is_local(request: Request) -> bool:
    """Did the sender address this machine itself, and from no other site's page?

    A page of another site can make its own name mean 127.0.0.1. Then its Host is that name.
    """
    if any(name in request.headers for name in _OF_PROXIES):
        return False
    from_here = request.headers.get("sec-fetch-site", "none") in ("none", "same-origin")
    return from_here and may_connect(request, ()) and is_loopback(request.headers.get("host", ""))


def is_loopback(host: str) -> bool:
    """True for `localhost` and the loopback addresses as browsers write them, with or without a port."""
    return _LOOPBACK.fullmatch(host) is not None
