"""POST /graphql: who asks, may they ask now, and the answer."""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from dataclasses import replace
from typing import Any

from graphql import ExecutionResult, GraphQLError, execute
from starlette.requests import Request
from starlette.responses import Response

from bff import bodies, schema
from bff.admission import Admission
from bff.bodies import BadBody, Operation
from bff.context import Context
from bff.documents import Documents
from bff.errors import at_the_door, not_now, told
from bff.peers import Peers
from mesh import calls
from mesh.calls import Person
from mesh.errors import Refusal
from mesh.logs import log

MAX_BODY_BYTES = 100_000
#: Seconds after the request's deadline when an answer is given anyhow.
GRACE_SECONDS = 0.5


class GraphQLDoor:
    """Answers GraphQL over HTTP: 200 with `data` and `errors`; 4xx with `errors` for what is no GraphQL request."""

    def __init__(self, peers: Peers, admission: Admission, publishable_key: str | None = None) -> None:
        self._peers, self._admission, self._publishable_key = peers, admission, publishable_key
        self._schema = schema.build()
        self._documents = Documents(self._schema)

    async def post(self, request: Request) -> Response:
        began = time.perf_counter()
        try:
            operation = await _operation(request)
        except BadBody as error:
            return _json({"errors": [told(GraphQLError(error.message))]}, error.status)
        answer = await self._answered(operation, request)
        _tell(operation, began, answer)
        return _json(answer)

    async def _answered(self, operation: Operation, request: Request) -> dict[str, Any]:
        try:
            async with asyncio.timeout_at((calls.current().deadline or 0) + GRACE_SECONDS):
                person = await self._admission.person(request)
                return _shape(await self._executed(operation, person))
        except Refusal as error:
            return _shape(ExecutionResult(errors=[at_the_door(error)]))
        except TimeoutError:
            return _shape(ExecutionResult(errors=[not_now()]))

    async def _executed(self, operation: Operation, person: Person | None) -> ExecutionResult:
        document = self._documents.read(operation.query)
        if isinstance(document, list):
            return ExecutionResult(errors=document)
        calls.enter(replace(calls.current(), person=person))
        result = execute(
            self._schema,
            document,
            context_value=Context(self._peers, person, self._publishable_key),
            variable_values=operation.variables,
            operation_name=operation.name,
        )
        return await result if inspect.isawaitable(result) else result


async def _operation(request: Request) -> Operation:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise BadBody(415, "content-type must be application/json")
    return bodies.operation(await bodies.read(request, MAX_BODY_BYTES))


def _shape(result: ExecutionResult) -> dict[str, Any]:
    """GraphQL, 7.1: no `data` when nothing was executed."""
    errors = [told(error) for error in result.errors or ()]
    if not errors:
        return {"data": result.data}
    before_execution = result.data is None and all("path" not in error for error in errors)
    return {"errors": errors} if before_execution else {"errors": errors, "data": result.data}


def _json(answer: dict[str, Any], status: int = 200) -> Response:
    body = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body, status, media_type="application/json")


def _tell(operation: Operation, began: float, answer: dict[str, Any]) -> None:
    codes = sorted({error["extensions"]["code"] for error in answer.get("errors", ())})
    fields = {"errors": codes} if codes else {}
    milliseconds = round((time.perf_counter() - began) * 1000, 1)
    log().info("graphql", operation=(operation.name or "")[:64], ms=milliseconds, **fields)
