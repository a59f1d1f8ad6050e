"""The JSON of the pages' scripts: `/links/…`, each with the header `Link-Token`. No cookie counts, and no query."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bff.http import bodies, envelope
from bff.http.bodies import BadBody
from bff.pages import shapes
from bff.pages.asking import HEADER, Handler, Links, check_token, logged_route
from bff.pages.languages import Reader, reader_of
from bff.pages.shapes import Shape
from bff.peers import BOOK_SECONDS, CANCEL_SECONDS, READ_SECONDS
from mesh.errors import BadInput, CallFailed, Refusal, Unauthenticated, describe
from mesh.logs import log
from tutormesh.payment.v1 import link_pb2

MOST_QUOTE_CHARACTERS, MOST_REASON_CHARACTERS = 2000, 1000


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """A request of whoever holds this token."""

    token: str
    reader: Reader
    body: bytes

    def text(self, name: str, most: int) -> str:
        """A text of the body; empty when absent or null. Raises BadBody, BadInput."""
        body = bodies.parse_json(self.body or b"{}")
        if not isinstance(body, dict):
            raise BadBody(400, "the body must be one JSON object")
        value = body.get(name) or ""
        if not isinstance(value, str) or len(value) > most:
            raise BadInput(f"must be text of at most {most} characters", field=name)
        return value


Ask = Callable[[LinkRequest], Awaitable[Shape]]


class LinkEndpoints:
    """The endpoints, each a call of LinkService as the link's person."""

    def __init__(self, links: Links) -> None:
        self._links, self._service = links, links.service

    def routes(self) -> Iterator[Route]:
        yield self._route("GET", "/links/checkout", self._checkout)
        yield self._route("POST", "/links/checkout/refresh", self._refresh)
        yield self._route("GET", "/links/purchase", self._purchase)
        yield self._route("GET", "/links/purchase/quote", self._quote)
        yield self._route("POST", "/links/purchase/cancel", self._cancel)

    def _route(self, method: str, path: str, ask: Ask) -> Route:
        return logged_route(path, self._answering(path, ask), method=method)

    def _answering(self, path: str, ask: Ask) -> Handler:
        async def answer(request: Request) -> Response:
            try:
                async with self._links.turn(request) as body:
                    asked = LinkRequest(check_token(request.headers.get(HEADER, "")), reader_of(request), body)
                    return envelope.success("ok", await ask(asked))
            except BadBody as error:
                return envelope.bad_body(error)
            except Unauthenticated as error:  # a peer does not believe the edge; whoever has the link cannot mend that
                log().warning("peer_did_not_believe_us", route=path, **describe(error))
                return envelope.unavailable()
            except Refusal as error:
                return envelope.refusal(error, {})
            except CallFailed as error:
                return envelope.failed_call(error)
            except TimeoutError:
                return envelope.unavailable()

        return answer

    async def _checkout(self, asked: LinkRequest) -> Shape:
        request = link_pb2.OpenCheckoutRequest(token=asked.token)
        reply = await self._service.OpenCheckout(request, timeout=READ_SECONDS)
        return shapes.checkout(asked.reader, reply.checkout)

    async def _refresh(self, asked: LinkRequest) -> Shape:
        request = link_pb2.RefreshCheckoutRequest(token=asked.token)
        reply = await self._service.RefreshCheckout(request, timeout=BOOK_SECONDS)
        return shapes.checkout(asked.reader, reply.checkout)

    async def _purchase(self, asked: LinkRequest) -> Shape:
        request = link_pb2.OpenPurchaseRequest(token=asked.token)
        return shapes.purchase(asked.reader, await self._service.OpenPurchase(request, timeout=READ_SECONDS))

    async def _quote(self, asked: LinkRequest) -> Shape:
        request = link_pb2.QuotePurchaseCancellationRequest(token=asked.token)
        reply = await self._service.QuotePurchaseCancellation(request, timeout=READ_SECONDS)
        return shapes.quote(asked.reader, reply)

    async def _cancel(self, asked: LinkRequest) -> Shape:
        request = link_pb2.CancelPurchaseRequest(
            token=asked.token,
            quote_token=asked.text("quote_token", MOST_QUOTE_CHARACTERS),
            reason=asked.text("reason", MOST_REASON_CHARACTERS),
        )
        reply = await self._service.CancelPurchase(request, timeout=CANCEL_SECONDS)
        return {"refund": shapes.money(asked.reader, reply.refund)}
