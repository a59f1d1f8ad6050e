"""GraphQL operations against one schema, whichever door they came through: read, measured, validated, executed."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any, cast

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationType,
    execute,
    get_operation_ast,
)
from graphql.execution import Executor, create_source_event_stream

from bff.graphql.context import Context
from bff.graphql.documents import Documents
from bff.graphql.errors import at_the_door, not_now, told
from bff.http.bodies import Operation
from bff.peers import Peers
from bff.policy import Policy
from mesh import calls
from mesh.calls import Person
from mesh.errors import Refusal
from mesh.logs import log

#: Seconds after the request's deadline when an answer is given anyhow.
GRACE_SECONDS = 0.5
#: Seconds to answer one event of a subscription.
EVENT_SECONDS = 9.0

Answer = dict[str, Any]


class Ended(Exception):
    """An operation that could not begin, or a subscription that cannot go on; carries the errors as they are told."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        self.errors = errors
        super().__init__(", ".join(error["message"] for error in errors))


class Operations:
    """What clients may ask of one schema."""

    def __init__(self, schema: GraphQLSchema, peers: Peers, policy: Policy) -> None:
        self._schema, self._peers, self._policy = schema, peers, policy
        self._documents = Documents(schema, introspection=policy.introspection)

    async def answer(self, operation: Operation, person: Person | None) -> Answer:
        """The answer to a query or a mutation, soon after the current call's deadline at the latest."""
        began = time.perf_counter()
        answer = shape(await self._answered(operation, person))
        tell(operation, began, answer)
        return answer

    async def events(self, operation: Operation, person: Person) -> AsyncGenerator[Answer, None]:
        """The answers to a subscription, one after each of its events. Raises Ended."""
        document = self._read(operation)
        if isinstance(document, list):
            raise _ended(document)
        calls.enter(replace(calls.current(), person=person))
        async with aclosing(await self._source(document, operation, person)) as events:
            while True:
                try:
                    event = await anext(events)
                except StopAsyncIteration:
                    return
                except GraphQLError as error:
                    raise _ended([error]) from error
                except Exception as error:
                    log().error("subscription_crashed", exc_info=error)
                    raise _ended([GraphQLError("internal error", extensions={"code": "INTERNAL"})]) from error
                with calls.deadline(EVENT_SECONDS):
                    answer = shape(await self._executed(document, operation, person, event))
                yield answer

    def is_subscription(self, operation: Operation) -> bool:
        """True for a valid document whose operation subscribes."""
        document = self._read(operation)
        return not isinstance(document, list) and _subscribes(document, operation)

    def _read(self, operation: Operation) -> DocumentNode | list[GraphQLError]:
        try:
            return self._documents.read(self._policy.persisted.document(operation), operation.variables)
        except Refusal as error:
            return [at_the_door(error)]

    async def _answered(self, operation: Operation, person: Person | None) -> ExecutionResult:
        document = self._read(operation)
        if isinstance(document, list):
            return ExecutionResult(errors=document)
        if _subscribes(document, operation):
            return ExecutionResult(errors=[GraphQLError("subscriptions are answered over a WebSocket only")])
        calls.enter(replace(calls.current(), person=person))
        return await self._executed(document, operation, person)

    async def _executed(
        self, document: DocumentNode, operation: Operation, person: Person | None, event: object = None
    ) -> ExecutionResult:
        deadline = calls.current().deadline
        try:
            async with asyncio.timeout_at(None if deadline is None else deadline + GRACE_SECONDS):
                result = execute(
                    self._schema,
                    document,
                    root_value=event,
                    context_value=self._context(person),
                    variable_values=operation.variables,
                    operation_name=operation.name,
                    hide_suggestions=not self._policy.introspection,
                )
                return await result if inspect.isawaitable(result) else result
        except TimeoutError:
            return ExecutionResult(errors=[not_now()])

    async def _source(
        self, document: DocumentNode, operation: Operation, person: Person
    ) -> AsyncGenerator[object, None]:
        executor = Executor.build(
            self._schema,
            document,
            context_value=self._context(person),
            raw_variable_values=operation.variables,
            operation_name=operation.name,
        )
        if isinstance(executor, list):
            raise _ended(executor)
        stream = create_source_event_stream(executor)
        found = await stream if inspect.isawaitable(stream) else stream
        if isinstance(found, ExecutionResult):
            raise _ended(found.errors or [])
        return cast("AsyncGenerator[object, None]", found)

    def _context(self, person: Person | None) -> Context:
        return Context(self._peers, person, self._policy.publishable_key)


def _ended(errors: list[GraphQLError]) -> Ended:
    return Ended([told(error) for error in errors])


def _subscribes(document: DocumentNode, operation: Operation) -> bool:
    definition = get_operation_ast(document, operation.name)
    return definition is not None and definition.operation is OperationType.SUBSCRIPTION


def shape(result: ExecutionResult) -> Answer:
    """GraphQL, 7.1: no `data` when nothing was executed."""
    errors = [told(error) for error in result.errors or ()]
    if not errors:
        return {"data": result.data}
    before_execution = result.data is None and all("path" not in error for error in errors)
    return {"errors": errors} if before_execution else {"errors": errors, "data": result.data}


def tell(operation: Operation, began: float, answer: Answer) -> None:
    codes = sorted({error["extensions"]["code"] for error in answer.get("errors", ())})
    fields = {"errors": codes} if codes else {}
    milliseconds = round((time.perf_counter() - began) * 1000, 1)
    log().info("graphql", operation=(operation.name or "")[:64], ms=milliseconds, **fields)
