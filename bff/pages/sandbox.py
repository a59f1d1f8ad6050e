"""The Stripe sandbox in a browser. In compose a browser cannot reach it, so the edge passes three of its calls on.

It exists only while the sandbox is the provider, so never in production. Real payments go from the browser to Stripe.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import httpx
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bff.http import envelope
from bff.http.bodies import BadBody
from bff.http.rate_limits import RateLimited
from bff.pages.asking import Handler, Links, logged_route
from bff.pages.render import page
from mesh.errors import Refusal

SECONDS: Final = 5.0
MOST_BYTES: Final = 4_000
MOST_ANSWER_BYTES: Final = 100_000
_INTENT: Final = re.compile(r"pi_\w{1,64}", re.ASCII)
_FORM: Final = "application/x-www-form-urlencoded"
PATH: Final = "/sandbox/payment_intents/{intent}"


class SandboxEndpoints:
    """The payer's calls: confirm, what the bank's page does, and reading what became of it."""

    def __init__(self, url: str, links: Links) -> None:
        self._url, self._links = url, links

    def routes(self) -> Iterator[Route]:
        yield logged_route("/sandbox/authenticate", self._serve_challenge)
        for verb in ("confirm", "_authenticate", "retrieve"):
            yield logged_route(f"{PATH}/{verb}", self._forwarding(verb), method="POST")

    async def _serve_challenge(self, request: Request) -> Response:
        """The page that stands in for the payer's bank. What it is about is in the fragment, which no server gets."""
        return page(request, "challenge.html")

    def _forwarding(self, verb: str) -> Handler:
        async def forward(request: Request) -> Response:
            intent = request.path_params["intent"]
            if not _INTENT.fullmatch(intent):
                raise HTTPException(404)
            try:
                async with self._links.turn(request, max_bytes=MOST_BYTES) as body:
                    return await self._send(intent, verb, body)
            except BadBody as error:
                return envelope.bad_body(error)
            except RateLimited as error:
                return envelope.refusal(error, {})
            except (Refusal, TimeoutError, httpx.HTTPError):
                return envelope.unavailable()

        return forward

    async def _send(self, intent: str, verb: str, body: bytes) -> Response:
        """The sandbox's answer. The form carries the publishable key and the client secret, as Stripe.js sends them."""
        method, path = "POST", f"/v1/payment_intents/{intent}/{verb}"
        if verb == "retrieve":
            method, path = "GET", f"/v1/payment_intents/{intent}"
        async with httpx.AsyncClient(timeout=SECONDS, trust_env=False, follow_redirects=False) as client:
            answer = await client.request(
                method, f"{self._url}{path}", content=body, headers={"content-type": _FORM} if body else {}
            )
        if len(answer.content) > MOST_ANSWER_BYTES:
            return envelope.unavailable()
        return Response(answer.content, answer.status_code, media_type="application/json")
