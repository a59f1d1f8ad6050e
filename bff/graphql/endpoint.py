"""POST /graphql, and the same for each subgraph."""

from __future__ import annotations

import json
from typing import Any

from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response

from bff.graphql.errors import format_error, refusal_error
from bff.graphql.operations import Operations
from bff.graphql.requests import parse_operation
from bff.http.authentication import Authenticator, Caller
from bff.http.bodies import BYTES_PER_UNIT, BadBody, read_json_body
from mesh.errors import Refusal


class GraphQLEndpoint:
    """GraphQL over HTTP: 200 with `data` and `errors`; 4xx with `errors` for what is not a GraphQL request."""

    def __init__(self, operations: Operations, authenticator: Authenticator) -> None:
        self._operations, self._authenticator = operations, authenticator

    async def post(self, request: Request) -> Response:
        """Authenticates and counts the request before it reads the body, so that a bad body counts too."""
        try:
            caller = await self._authenticator.authenticate(request)
            body = await read_json_body(request)
            async with caller.turn():
                return await self._answer(caller, body)
        except Refusal as error:
            return _json({"errors": [format_error(refusal_error(error))]})
        except BadBody as error:
            return _json({"errors": [format_error(GraphQLError(error.message))]}, error.status)

    async def _answer(self, caller: Caller, body: bytes) -> Response:
        """Raises BadBody."""
        caller.charge(len(body) // BYTES_PER_UNIT)
        answered = await self._operations.answer(parse_operation(body), caller)
        response = _json(answered.payload)
        caller.charge(answered.further_units(len(response.body)))
        return response


def _json(answer: dict[str, Any], status: int = 200) -> Response:
    body = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body, status, media_type="application/json")
