"""One client's connection: what it says, what runs for it, and that nothing of it is left when it goes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from contextlib import aclosing
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from bff.graphql.errors import at_the_door, told
from bff.graphql.operations import Ended, Operations
from bff.graphql.websocket import messages
from bff.graphql.websocket.limits import Seats
from bff.graphql.websocket.messages import Closed, Complete, Init, Message, Ping, Pong, Subscribe
from bff.http.addresses import address
from bff.http.authentication import Admission
from bff.http.bodies import Operation
from bff.http.rate_limits import RateLimited
from mesh import calls
from mesh.calls import Call, Person
from mesh.errors import Overloaded, Refusal, TryAgain
from mesh.identity import Claims
from mesh.logs import log

INIT_SECONDS = 5.0
#: Seconds for one message to leave: who reads more slowly is cut off, and nothing waits for them.
SEND_SECONDS = 10.0
#: Seconds for a query or a mutation, as at the other door.
ANSWER_SECONDS = 9.0
MAX_RUNNING = 20


class Conversation:
    """An accepted WebSocket that speaks graphql-transport-ws."""

    def __init__(self, websocket: WebSocket, operations: Operations, admission: Admission, seats: Seats) -> None:
        self._websocket, self._operations = websocket, operations
        self._admission, self._seats = admission, seats
        self._running: dict[str, asyncio.Task[None]] = {}
        self._person: Person | None = None

    async def run(self) -> None:
        """Until either side leaves. Whatever happens, what ran for the client is ended."""
        try:
            await self._serve()
        except* WebSocketDisconnect:
            pass
        except* Closed as closed:
            await self._close(_first(closed))
        except* Exception as broken:
            log().error("socket_broken", exc_info=broken)
            await self._close(Closed(messages.BROKEN, "Internal server error"))

    async def _serve(self) -> None:
        claims = await self._introduced()
        self._person = claims.person
        try:
            with self._seats.of(claims.person.id):
                async with asyncio.timeout(claims.expires_at - time.time()):
                    await self._send("connection_ack")
                    await self._converse(claims.person)
        except TimeoutError:
            raise Closed(messages.FORBIDDEN, "The token has expired") from None

    async def _introduced(self) -> Claims:
        """Who it is, told in time. Raises Closed."""
        try:
            async with self._seats.strangers.wait(address(self._websocket), INIT_SECONDS):
                while not isinstance(message := await self._received(), Init):
                    if isinstance(message, Subscribe):
                        raise Closed(messages.UNAUTHORIZED, "Unauthorized")
                return await self._claims(message)
        except TimeoutError:
            raise Closed(messages.INIT_TIMEOUT, "Connection initialisation timeout") from None

    async def _claims(self, init: Init) -> Claims:
        authorization = init.authorization or self._websocket.headers.get("authorization", "")
        try:
            claims = await self._admission.claims(self._websocket, authorization)
        except (TryAgain, RateLimited) as error:
            raise Closed(messages.TRY_AGAIN_LATER, error.message) from None
        except Refusal as error:
            raise Closed(messages.FORBIDDEN, error.message) from None
        if claims is None:
            raise Closed(messages.FORBIDDEN, "a token must be given")
        return claims

    async def _converse(self, person: Person) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                match await self._received():
                    case Init():
                        raise Closed(messages.TOO_MANY, "Too many initialisation requests")
                    case Subscribe(id, operation):
                        await self._begin(tasks, id, operation, person)
                    case Complete(id) if id in self._running:
                        self._running.pop(id).cancel()

    async def _begin(self, tasks: asyncio.TaskGroup, id: str, operation: Operation, person: Person) -> None:
        if id in self._running:
            raise Closed(messages.ALREADY_SUBSCRIBED, f"Subscriber for {id} already exists")
        try:
            if len(self._running) >= MAX_RUNNING:
                raise RateLimited(f"at most {MAX_RUNNING} operations run at once on a connection")
            self._seats.running.enter()
        except (RateLimited, Overloaded) as full:
            await self._refuse(id, full)
            return
        task = self._running[id] = tasks.create_task(self._operate(id, operation, person))
        task.add_done_callback(lambda _: self._seats.running.leave())

    async def _operate(self, id: str, operation: Operation, person: Person) -> None:
        calls.enter(Call(calls.new_request_id(), person=person))
        last: dict[str, Any] = {"kind": "complete"}
        try:
            await self._answer(id, operation, person)
        except Ended as ended:
            last = {"kind": "error", "payload": ended.errors}
        if self._running.get(id) is asyncio.current_task():
            del self._running[id]
            await self._send(**last, id=id)

    async def _answer(self, id: str, operation: Operation, person: Person) -> None:
        if self._operations.is_subscription(operation):
            async with aclosing(self._operations.events(operation, person)) as answers:
                async for answer in answers:
                    await self._send("next", id=id, payload=answer)
            return
        with calls.deadline(ANSWER_SECONDS):
            answer = await self._operations.answer(operation, person)
        if "data" not in answer:
            raise Ended(answer["errors"])
        await self._send("next", id=id, payload=answer)

    async def _received(self) -> Message:
        """The next message that asks for something; pings are answered. Raises Closed, WebSocketDisconnect."""
        while True:
            received = await self._websocket.receive()
            if received["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(received["code"], received.get("reason"))
            message = messages.read(received.get("text"))
            if not await self._is_admitted(message):
                continue
            match message:
                case Ping(payload):
                    await self._send("pong", **({"payload": payload} if payload else {}))
                case Pong():
                    pass
                case _:
                    return message

    async def _is_admitted(self, message: Message) -> bool:
        """Each message counts as a request does. Raises Closed for too many that ask for nothing."""
        if isinstance(message, Init):  # counted with its token
            return True
        try:
            self._admission.charge(self._websocket, self._person)
        except RateLimited as error:
            if self._person is None or not isinstance(message, Subscribe):
                raise Closed(messages.TOO_MANY, error.message) from None
            await self._refuse(message.id, error)
            return False
        return True

    async def _refuse(self, id: str, refusal: Refusal) -> None:
        await self._send("error", id=id, payload=[told(at_the_door(refusal))])

    async def _send(self, kind: str, **more: Any) -> None:
        """Raises WebSocketDisconnect when the client has gone, or does not read."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._websocket.send_text(messages.written(kind, **more))
        except (TimeoutError, RuntimeError):
            raise WebSocketDisconnect(1006, "does not read") from None

    async def _close(self, closed: Closed) -> None:
        log().info("socket_closed", code=closed.code, reason=closed.reason)
        if self._websocket.client_state is WebSocketState.CONNECTED:
            with contextlib.suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
                async with asyncio.timeout(SEND_SECONDS):
                    await self._websocket.close(closed.code, closed.reason[:100])


def _first(group: BaseExceptionGroup[Closed]) -> Closed:
    """The reason among those that came together."""
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
