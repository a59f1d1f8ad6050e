"""Runs GraphQL operations against one schema, for HTTP and for WebSockets: read, measured, validated, executed."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, cast

from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    OperationType,
    execute,
    get_operation_ast,
)
from graphql.execution import Executor, create_source_event_stream

from bff.graphql.context import Context
from bff.graphql.documents import Documents, Reading
from bff.graphql.errors import format_error, refusal_error, unavailable
from bff.graphql.limits import Size
from bff.graphql.requests import Operation
from bff.http.authentication import Caller
from bff.http.bodies import ANSWER_BYTES_PER_UNIT
from bff.http.middleware import GRACE_SECONDS
from bff.peers import Peers
from bff.settings import Options
from mesh import calls, tracing
from mesh.errors import Refusal
from mesh.logs import log

#: Seconds to answer one event of a subscription.
EVENT_SECONDS = 9.0

Answer = dict[str, Any]


class OperationFailed(Exception):
    """An operation that could not start, or a subscription that cannot go on; carries the errors for the client."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        self.errors = errors
        super().__init__(", ".join(error["message"] for error in errors))


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, and the units that were charged for the largest answer that its document can have."""

    payload: Answer
    units: int

    def further_units(self, length: int) -> int:
        """The units to charge once the answer is known to have so many bytes. A negative number is given back."""
        further = length // ANSWER_BYTES_PER_UNIT - self.units
        return max(0, further) if "errors" in self.payload else further


class Operations:
    """Runs what clients send against one schema."""

    def __init__(self, schema: GraphQLSchema, peers: Peers, options: Options) -> None:
        self._schema, self._peers, self._options = schema, peers, options
        self._documents = Documents(schema, introspection=options.introspection)

    def read(self, operation: Operation, caller: Caller) -> Reading:
        """Reads the operation's document, and charges the caller what the document costs; a refused one too."""
        try:
            text = self._options.persisted_operations.find_document(operation.query, operation.sha256)
        except Refusal as error:
            return Reading(None, [refusal_error(error)], 1, Size())
        reading = self._documents.read(text, operation.variables)
        caller.charge(reading.units - 1)  # the first was taken when the caller was authenticated
        return reading

    async def run(self, reading: Reading, operation: Operation, caller: Caller) -> Answered:
        """The answer to a query or a mutation, at most GRACE_SECONDS after the current call's deadline."""
        began = time.perf_counter()
        with tracing.span(span_name(reading, operation)):
            payload = _format(await self._run(reading, operation, caller))
            mark_errors(payload.get("errors", ()))
        _log(operation, began, payload)
        return Answered(payload, reading.size.units_of_answer())

    async def subscribe(self, reading: Reading, operation: Operation, caller: Caller) -> AsyncGenerator[Answer, None]:
        """The answers to a subscription, one after each of its events. The caller is charged each like a request.

        Raises OperationFailed.
        """
        document = reading.document
        if document is None:
            raise _failure(reading.problems)
        calls.enter(replace(calls.current(), person=caller.person))
        async with aclosing(await self._open_source(document, operation, caller)) as events:
            while True:
                try:
                    event = await anext(events)
                except StopAsyncIteration:
                    return
                except GraphQLError as error:
                    raise _failure([error]) from error
                except Exception as error:
                    log().error("subscription_crashed", exc_info=error)
                    raise _failure([GraphQLError("internal error", extensions={"code": "INTERNAL"})]) from error
                caller.charge(reading.size.units_to_run())
                with calls.deadline(EVENT_SECONDS):
                    answer = _format(await self._execute(document, operation, caller, event))
                yield answer

    async def _run(self, reading: Reading, operation: Operation, caller: Caller) -> ExecutionResult:
        if reading.document is None:
            return ExecutionResult(errors=reading.problems)
        if is_subscription(reading, operation):
            return ExecutionResult(errors=[GraphQLError("subscriptions are answered over a WebSocket only")])
        calls.enter(replace(calls.current(), person=caller.person))
        return await self._execute(reading.document, operation, caller)

    async def _execute(
        self, document: DocumentNode, operation: Operation, caller: Caller, event: object = None
    ) -> ExecutionResult:
        deadline = calls.current().deadline
        try:
            async with asyncio.timeout_at(None if deadline is None else deadline + GRACE_SECONDS):
                result = execute(
                    self._schema,
                    document,
                    root_value=event,
                    context_value=self._context(caller),
                    variable_values=operation.variables,
                    operation_name=operation.name,
                    hide_suggestions=not self._options.introspection,
                )
                return await result if inspect.isawaitable(result) else result
        except TimeoutError:
            return ExecutionResult(errors=[unavailable()])

    async def _open_source(
        self, document: DocumentNode, operation: Operation, caller: Caller
    ) -> AsyncGenerator[object, None]:
        """The events of a subscription. Raises OperationFailed."""
        executor = Executor.build(
            self._schema,
            document,
            context_value=self._context(caller),
            raw_variable_values=operation.variables,
            operation_name=operation.name,
        )
        if isinstance(executor, list):
            raise _failure(executor)
        stream = create_source_event_stream(executor)
        source = await stream if inspect.isawaitable(stream) else stream
        if isinstance(source, ExecutionResult):
            raise _failure(source.errors or [])
        return cast("AsyncGenerator[object, None]", source)

    def _context(self, caller: Caller) -> Context:
        return Context(self._peers, caller, self._options)


def is_subscription(reading: Reading, operation: Operation) -> bool:
    """True for a valid document whose operation is a subscription."""
    return _type(reading, operation) is OperationType.SUBSCRIPTION


def is_query(reading: Reading, operation: Operation) -> bool:
    """True for a valid document whose operation is a query, or is not known: then nothing is executed."""
    return _type(reading, operation) in (OperationType.QUERY, None)


def span_name(reading: Reading, operation: Operation) -> str:
    """The operation's type and first field. Its own name is a text of the client's."""
    definition = get_operation_ast(reading.document, operation.name) if reading.document else None
    if definition is None:
        return "no operation"
    fields = [
        selected.name.value for selected in definition.selection_set.selections if isinstance(selected, FieldNode)
    ]
    return f"{definition.operation.value} {fields[0] if fields else ''}".rstrip()


def _type(reading: Reading, operation: Operation) -> OperationType | None:
    definition = get_operation_ast(reading.document, operation.name) if reading.document else None
    return definition.operation if definition else None


def _failure(errors: list[GraphQLError]) -> OperationFailed:
    return OperationFailed([format_error(error) for error in errors])


def _format(result: ExecutionResult) -> Answer:
    """GraphQL, 7.1: an answer has no `data` when nothing was executed."""
    errors = [format_error(error) for error in result.errors or ()]
    if not errors:
        return {"data": result.data}
    before_execution = result.data is None and all("path" not in error for error in errors)
    return {"errors": errors} if before_execution else {"errors": errors, "data": result.data}


def mark_errors(errors: Iterable[Answer]) -> None:
    """The open span tells the codes of these errors."""
    if codes := _codes(errors):
        tracing.mark(f"{tracing.PREFIX}errors", ",".join(codes))


def _codes(errors: Iterable[Answer]) -> list[str]:
    return sorted({error["extensions"]["code"] for error in errors})


def _log(operation: Operation, began: float, answer: Answer) -> None:
    codes = _codes(answer.get("errors", ()))
    fields = {"errors": codes} if codes else {}
    milliseconds = round((time.perf_counter() - began) * 1000, 1)
    log().info("graphql", operation=(operation.name or "")[:64], ms=milliseconds, **fields)
