"""POST /graphql: who asks, may they ask now, and the answer."""

from __future__ import annotations

import json
from typing import Any

from graphql import ExecutionResult, GraphQLError
from starlette.requests import Request
from starlette.responses import Response

from bff.graphql.errors import at_the_door, told
from bff.graphql.operations import Operations, shape
from bff.http import bodies
from bff.http.authentication import Admission
from bff.http.bodies import BadBody
from mesh.errors import Refusal


class GraphQLDoor:
    """Answers GraphQL over HTTP: 200 with `data` and `errors`; 4xx with `errors` for what is no GraphQL request."""

    def __init__(self, operations: Operations, admission: Admission) -> None:
        self._operations, self._admission = operations, admission

    async def post(self, request: Request) -> Response:
        """Nothing of a body is read before it is known who asks, and that they may: a bad one counts too."""
        try:
            person = await self._admission.person(request)
            operation = bodies.operation(await bodies.read_json(request))
        except Refusal as error:
            return _json(shape(ExecutionResult(errors=[at_the_door(error)])))
        except BadBody as error:
            return _json({"errors": [told(GraphQLError(error.message))]}, error.status)
        return _json(await self._operations.answer(operation, person))


def _json(answer: dict[str, Any], status: int = 200) -> Response:
    body = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body, status, media_type="application/json")
