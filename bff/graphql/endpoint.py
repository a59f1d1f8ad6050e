"""GET and POST /graphql, and POST for each subgraph (GraphQL over HTTP)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response

from bff.graphql.errors import format_error, refusal_error
from bff.graphql.negotiation import JSON, choose_status, choose_type
from bff.graphql.operations import Operations, is_query
from bff.graphql.requests import Operation, parse_operation, parse_parameters
from bff.http.authentication import Authenticator, Caller
from bff.http.bodies import BYTES_PER_UNIT, BadBody, read_json_body
from mesh.errors import Refusal

METHODS = "GET, POST"


@dataclass(frozen=True, slots=True)
class _Sent:
    """What a client sent: how many bytes, whether it may change something, and what parses its operation."""

    size: int
    may_change: bool
    parse: Callable[[], Operation]


class GraphQLEndpoint:
    """Answers with `data` and `errors`. `bff.graphql.negotiation` says with which type and status."""

    def __init__(self, operations: Operations, authenticator: Authenticator) -> None:
        self._operations, self._authenticator = operations, authenticator

    async def post(self, request: Request) -> Response:
        """Authenticates and counts the request before it reads the body, so that a bad body counts too."""
        return await self._serve(request, may_change=True)

    async def get(self, request: Request) -> Response:
        """The same for a query in the address. A mutation is refused with 405: links are followed and repeated."""
        return await self._serve(request, may_change=False)

    async def _serve(self, request: Request, *, may_change: bool) -> Response:
        media_type = choose_type(request.headers.get("accept", ""))
        try:
            caller = await self._authenticator.authenticate(request)
            if media_type is None:
                raise BadBody(406, "accept: must name application/json or application/graphql-response+json")
            sent = await (_read_body if may_change else _read_address)(request)
            async with caller.turn():
                return await self._answer(caller, sent, media_type)
        except Refusal as error:
            return _encode({"errors": [format_error(refusal_error(error))]}, media_type or JSON)
        except BadBody as error:
            answer = {"errors": [format_error(GraphQLError(error.message))]}
            headers = {"allow": METHODS} if error.status == 405 else None
            return _encode(answer, media_type or JSON, error.status, headers)

    async def _answer(self, caller: Caller, sent: _Sent, media_type: str) -> Response:
        """Raises BadBody."""
        caller.charge(sent.size // BYTES_PER_UNIT)
        operation = sent.parse()
        reading = self._operations.read(operation, caller)
        if not sent.may_change and reading.document and not is_query(reading, operation):
            raise BadBody(405, "GET answers queries; send every other operation by POST")
        answered = await self._operations.run(reading, operation, caller)
        response = _encode(answered.payload, media_type)
        caller.charge(answered.further_units(len(response.body)))
        return response


async def _read_body(request: Request) -> _Sent:
    body = await read_json_body(request, must_name_type=True)
    return _Sent(len(body), may_change=True, parse=lambda: parse_operation(body))


async def _read_address(request: Request) -> _Sent:
    return _Sent(len(request.url.query), may_change=False, parse=lambda: parse_parameters(request.query_params))


def _encode(
    answer: dict[str, Any], media_type: str, status: int | None = None, headers: dict[str, str] | None = None
) -> Response:
    """`status` is that of a request that is no GraphQL request; otherwise it follows from the answer."""
    body = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(
        body, status or choose_status(answer, media_type), headers, media_type=f"{media_type}; charset=utf-8"
    )
