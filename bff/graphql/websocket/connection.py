"""One client's connection: its messages, and the operations that run for it. When it ends, so do they."""

from __future__ import annotations

import asyncio
import contextlib
import time
from contextlib import aclosing
from typing import Any, cast

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from bff.graphql.documents import Reading
from bff.graphql.errors import format_error, refusal_error
from bff.graphql.operations import OperationFailed, Operations, is_subscription, mark_errors, span_name
from bff.graphql.requests import Operation
from bff.graphql.websocket import messages
from bff.graphql.websocket.limits import ConnectionLimits
from bff.graphql.websocket.messages import Closed, Complete, Init, Message, Ping, Pong, Subscribe
from bff.http.addresses import client_address
from bff.http.authentication import Authenticator
from bff.http.bodies import BYTES_PER_UNIT
from bff.http.middleware import traceparent_of
from bff.http.rate_limits import RateLimited
from mesh import calls, tracing
from mesh.calls import Call, Person
from mesh.errors import Overloaded, Refusal, TryAgain
from mesh.identity import Claims
from mesh.logs import log

INIT_SECONDS = 5.0
#: Seconds to send one message. A client that reads more slowly is cut off.
SEND_SECONDS = 10.0
#: Seconds for a query or a mutation, as over HTTP.
ANSWER_SECONDS = 9.0
#: Seconds that queries and mutations get when the server stops. It is less than the edge's DRAIN_SECONDS.
GOING_AWAY_SECONDS = 3.0
#: Queries and mutations at once on a connection. Subscriptions have limits of their own (limits.py).
MAX_OPERATIONS = 20
#: How an operation ends whose client leaves, or needs its answers no longer.
_LEFT = (asyncio.CancelledError, WebSocketDisconnect)
#: Messages in a row that are refused because of the rate. After them the connection is closed.
MAX_REFUSED = 100


class Connection:
    """An accepted WebSocket that speaks graphql-transport-ws."""

    def __init__(
        self, websocket: WebSocket, operations: Operations, authenticator: Authenticator, limits: ConnectionLimits
    ) -> None:
        self._websocket, self._operations = websocket, operations
        self._authenticator, self._limits = authenticator, limits
        self._running: dict[str, asyncio.Task[None]] = {}
        #: The running operations that are not known to be subscriptions.
        self._answering: set[asyncio.Task[None]] = set()
        self._refused = 0
        connection = getattr(websocket.state, "connection", None)  # our server sets it (bff.http.server)
        self._leaving: asyncio.Event = connection.leaving if connection else asyncio.Event()
        self._caller = authenticator.caller(websocket, None)

    async def serve(self) -> None:
        """Serves the client until either side closes. However it ends, no operation of the client runs on."""
        try:
            await self._serve()
        except* WebSocketDisconnect:
            pass
        except* Closed as closed:
            await self._close(_first(closed))
        except* Exception as broken:
            log().error("socket_broken", exc_info=broken)
            await self._close(Closed(messages.INTERNAL_ERROR, "Internal server error"))

    async def _serve(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._go_away())
            await self._serve_person()

    async def _go_away(self) -> None:
        """Wait until the server stops, and let it answer what has begun. Raises Closed: the client connects anew."""
        await self._leaving.wait()
        if self._answering:
            await asyncio.wait(self._answering, timeout=GOING_AWAY_SECONDS)
        raise Closed(messages.GOING_AWAY, "Going away")

    async def _serve_person(self) -> None:
        claims = await self._authenticate()
        self._caller = self._authenticator.caller(self._websocket, claims.person)
        try:
            async with asyncio.timeout(claims.expires_at - time.time()), self._limits.people.hold(claims.person.id):
                await self._send("connection_ack")
                await self._serve_messages(claims.person)
        except TimeoutError:
            raise Closed(messages.FORBIDDEN, "The token has expired") from None
        except (RateLimited, Overloaded) as error:  # the person has too many connections, or this one gives way
            raise Closed(messages.TRY_AGAIN_LATER, error.message) from None

    async def _authenticate(self) -> Claims:
        """Waits for connection_init. Raises Closed when it does not come in time, or has no good token."""
        try:
            async with self._limits.slow_clients.wait_for(client_address(self._websocket), INIT_SECONDS):
                while not isinstance(message := await self._receive(), Init):
                    if isinstance(message, Subscribe):
                        raise Closed(messages.UNAUTHORIZED, "Unauthorized")
                return await self._verify(message)
        except TimeoutError:
            raise Closed(messages.INIT_TIMEOUT, "Connection initialisation timeout") from None

    async def _verify(self, init: Init) -> Claims:
        authorization = init.authorization or self._websocket.headers.get("authorization", "")
        try:
            claims = await self._authenticator.authenticate_token(self._websocket, authorization)
        except (TryAgain, RateLimited) as error:
            raise Closed(messages.TRY_AGAIN_LATER, error.message) from None
        except Refusal as error:
            raise Closed(messages.FORBIDDEN, error.message) from None
        if claims is None:
            raise Closed(messages.FORBIDDEN, "a token must be given")
        return claims

    async def _serve_messages(self, person: Person) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                match await self._receive():
                    case Init():
                        raise Closed(messages.TOO_MANY, "Too many initialisation requests")
                    case Subscribe(id, operation) if not self._leaving.is_set():
                        await self._start_operation(tasks, id, operation, person)
                    case Complete(id) if id in self._running:
                        self._running.pop(id).cancel()

    async def _start_operation(self, tasks: asyncio.TaskGroup, id: str, operation: Operation, person: Person) -> None:
        if id in self._running:
            raise Closed(messages.ALREADY_SUBSCRIBED, f"Subscriber for {id} already exists")
        if len(self._answering) >= MAX_OPERATIONS:
            await self._refuse(id, RateLimited(f"at most {MAX_OPERATIONS} operations run at once on a connection"))
            return
        task = self._running[id] = tasks.create_task(self._run_operation(id, operation, person))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _run_operation(self, id: str, operation: Operation, person: Person) -> None:
        calls.enter(Call(calls.new_request_id(), person=person))
        parent = traceparent_of(self._websocket.scope)
        with tracing.span("WEBSOCKET /graphql", "server", parent=parent, answers=_LEFT):
            await self._run_to_its_end(id, operation, person)

    async def _run_to_its_end(self, id: str, operation: Operation, person: Person) -> None:
        last: dict[str, Any] = {"kind": "complete"}
        try:
            await self._answer(id, operation, person)
        except OperationFailed as failed:
            last = {"kind": "error", "payload": failed.errors}
        except Refusal as refusal:
            last = {"kind": "error", "payload": [format_error(refusal_error(refusal))]}
        if self._running.get(id) is asyncio.current_task():
            del self._running[id]
            await self._send(**last, id=id)

    async def _answer(self, id: str, operation: Operation, person: Person) -> None:
        """Raises OperationFailed, Refusal."""
        with calls.deadline(ANSWER_SECONDS):
            async with self._caller.turn():
                reading = self._operations.read(operation, self._caller)
                if not is_subscription(reading, operation):
                    await self._answer_once(id, reading, operation)
                    return
        await self._follow(id, reading, operation, person)

    async def _answer_once(self, id: str, reading: Reading, operation: Operation) -> None:
        answered = await self._operations.run(reading, operation, self._caller)
        if "data" not in answered.payload:
            raise OperationFailed(answered.payload["errors"])
        length = await self._send("next", id=id, payload=answered.payload)
        self._caller.charge(answered.further_units(length))

    async def _follow(self, id: str, reading: Reading, operation: Operation, person: Person) -> None:
        """Sends a subscription's answers. Raises Overloaded when it has to give way to another person's."""
        self._answering.discard(cast("asyncio.Task[None]", asyncio.current_task()))
        subscription = self._operations.subscribe(reading, operation, self._caller)
        with tracing.span(span_name(reading, operation), answers=(*_LEFT, OperationFailed, Refusal)):
            try:
                async with self._limits.subscriptions.hold(person.id), aclosing(subscription) as answers:
                    async for answer in answers:
                        await self._send("next", id=id, payload=answer)
            except OperationFailed as failed:
                mark_errors(failed.errors)
                raise

    async def _receive(self) -> Message:
        """The next message that is neither ping nor pong; pings are answered. Raises Closed, WebSocketDisconnect."""
        while True:
            received = await self._websocket.receive()
            if received["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(received["code"], received.get("reason"))
            text = received.get("text")
            message = messages.parse_message(text)
            self._caller.charge(len(text or "") // BYTES_PER_UNIT)
            if not await self._count(message):
                continue
            match message:
                case Ping(payload):
                    await self._send("pong", **({"payload": payload} if payload else {}))
                case Pong():
                    pass
                case _:
                    return message

    async def _count(self, message: Message) -> bool:
        """Counts a message against the rate as a request. False when it was refused.

        Raises Closed when the message names no operation that could be refused, and when too many were refused.
        """
        if isinstance(message, Init):  # counted when its token is verified
            return True
        try:
            self._caller.count_request()
        except RateLimited as error:
            self._refused += 1
            if self._caller.person is None or not isinstance(message, Subscribe) or self._refused > MAX_REFUSED:
                raise Closed(messages.TOO_MANY, error.message) from None
            await self._refuse(message.id, error)
            return False
        self._refused = 0
        return True

    async def _refuse(self, id: str, refusal: Refusal) -> None:
        await self._send("error", id=id, payload=[format_error(refusal_error(refusal))])

    async def _send(self, kind: str, **more: Any) -> int:
        """Sends a message and returns its length. Raises WebSocketDisconnect: the client has left, or does not read."""
        text = messages.format_message(kind, **more)
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._websocket.send_text(text)
        except (TimeoutError, RuntimeError):
            raise WebSocketDisconnect(1006, "does not read") from None
        return len(text)

    async def _close(self, closed: Closed) -> None:
        log().info("socket_closed", code=closed.code, reason=closed.reason)
        if self._websocket.client_state is WebSocketState.CONNECTED:
            with contextlib.suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
                async with asyncio.timeout(SEND_SECONDS):
                    await self._websocket.close(closed.code, closed.reason[:100])


def _first(group: BaseExceptionGroup[Closed]) -> Closed:
    """The first of the reasons that came together."""
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
