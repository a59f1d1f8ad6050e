"""POST /graphql: who asks, may they ask now, and the answer."""

from __future__ import annotations

import json
from typing import Any

from graphql import ExecutionResult, GraphQLError
from starlette.requests import Request
from starlette.responses import Response

from bff import bodies
from bff.admission import Admission
from bff.bodies import BadBody, Operation
from bff.errors import at_the_door, told
from bff.operations import Answer, Operations, shape
from mesh.errors import Refusal


class GraphQLDoor:
    """Answers GraphQL over HTTP: 200 with `data` and `errors`; 4xx with `errors` for what is no GraphQL request."""

    def __init__(self, operations: Operations, admission: Admission) -> None:
        self._operations, self._admission = operations, admission

    async def post(self, request: Request) -> Response:
        try:
            operation = await _operation(request)
        except BadBody as error:
            return _json({"errors": [told(GraphQLError(error.message))]}, error.status)
        return _json(await self._answered(operation, request))

    async def _answered(self, operation: Operation, request: Request) -> Answer:
        try:
            person = await self._admission.person(request)
        except Refusal as error:
            return shape(ExecutionResult(errors=[at_the_door(error)]))
        return await self._operations.answer(operation, person)


async def _operation(request: Request) -> Operation:
    return bodies.operation(await bodies.read_json(request))


def _json(answer: dict[str, Any], status: int = 200) -> Response:
    body = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body, status, media_type="application/json")
