"""What every API request passes: the key, queued faults and idempotency. Then its operation runs in one transaction."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from devkit.sandbox.http import auth
from devkit.sandbox.http.expand import expand
from devkit.sandbox.idempotency import Answer
from devkit.sandbox.resources import shapes
from devkit.sandbox.resources.calls import Call
from devkit.sandbox.sandbox import Sandbox
from devkit.sandbox.wire import forms
from devkit.sandbox.wire.errors import ApiError, Json, rate_limited, server_error
from devkit.sandbox.wire.ids import new_id
from devkit.sandbox.wire.params import Params

_log = logging.getLogger("sandbox")
SILENCE = 30.0
_MAX_BODY = 1_000_000
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Operation:
    """What a route does. `public` admits the publishable key too, `open` also callers without a key."""

    run: Callable[..., Json]
    public: bool = False
    open: bool = False


@dataclass(slots=True)
class Exchange:
    """One request, and the fault that hits it."""

    operation: Operation
    method: str
    path: str
    ids: dict[str, str]
    call: Call
    fault: str | None = None

    @property
    def key(self) -> str | None:
        return self.call.idempotency_key


class Endpoints:
    """Turns operations into HTTP endpoints."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def endpoint(self, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            request_id = new_id("req", 14)
            try:
                exchange = await self._admit(request, operation, request_id)
                answer = await self._answer(exchange)
            except ApiError as error:
                return respond(_refusal(error), request, request_id)
            except ClientDisconnect:
                return Response(status_code=400)  # the client has gone; nobody reads this answer
            if exchange.fault == "timeout_after":
                await _stay_silent(request)
            return respond(answer, request, request_id)

        return handle

    async def _admit(self, request: Request, operation: Operation, request_id: str) -> Exchange:
        params = Params(await _read(request))
        open_to_all = operation.open and not request.headers.get("authorization")
        publishable = open_to_all or auth.is_publishable(request.headers, params)
        if publishable and not (operation.public or open_to_all):
            raise auth.needs_secret_key()
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        call = Call(self._sandbox.store, self._sandbox.outbox, params, request_id, key or None, publishable)
        return Exchange(operation, request.method, request.url.path, dict(request.path_params), call)

    async def _answer(self, exchange: Exchange) -> Answer:
        kept = self._recall(exchange)
        exchange.fault, delay_ms = self._sandbox.faults.take(exchange.method, exchange.path, repeat=kept is not None)
        if exchange.fault == "rate_limit":
            raise rate_limited()
        if exchange.fault == "error_before":
            raise server_error()
        if kept is not None:
            return kept
        if exchange.fault == "slow":
            await self._delay(exchange, delay_ms / 1000)
        return self._execute(exchange)

    def _recall(self, exchange: Exchange) -> Answer | None:
        return self._sandbox.keys.recall(exchange.key, exchange.path, exchange.call.params) if exchange.key else None

    async def _delay(self, exchange: Exchange, seconds: float) -> None:
        """Wait with the key in use, so that another request with the same key is refused meanwhile."""
        if exchange.key:
            self._sandbox.keys.take(exchange.key)
        try:
            await asyncio.sleep(seconds)
        finally:
            if exchange.key:
                self._sandbox.keys.release(exchange.key)

    def _execute(self, exchange: Exchange) -> Answer:
        """Run the operation and keep its answer in one transaction. A refusal before it began keeps nothing."""
        exchange.call.fault = exchange.fault
        with self._sandbox.store.transaction():
            answer = self._run(exchange)
            if exchange.fault == "error_after":
                answer = _refusal(server_error())
            if exchange.key:
                call = exchange.call
                self._sandbox.keys.keep(exchange.key, exchange.path, call.params, answer, call.request_id or "")
        return answer

    def _run(self, exchange: Exchange) -> Answer:
        call = exchange.call
        try:
            body = exchange.operation.run(call, **exchange.ids)
            return Answer(200, json.dumps(expand(call.store, call.params, body)))
        except ApiError as error:
            if not error.executed:
                raise
            return _refusal(error)
        except Exception as bug:
            _log.exception("an operation failed: %s %s", exchange.method, exchange.path)
            raise server_error() from bug


def respond(answer: Answer, request: Request, request_id: str) -> Response:
    """The HTTP response of an answer, with Stripe's headers."""
    headers = {"Request-Id": request_id, "Stripe-Version": request.headers.get("stripe-version", shapes.API_VERSION)}
    key = request.headers.get("idempotency-key")
    if key:
        headers["Idempotency-Key"] = key
    if answer.original is not None:
        headers |= {"Idempotent-Replayed": "true", "Original-Request": answer.original}
    if answer.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="Stripe"'
    if answer.status == 409:
        headers["Stripe-Should-Retry"] = "true"
    return Response(answer.text, answer.status, headers, "application/json")


def _refusal(error: ApiError) -> Answer:
    return Answer(error.status, json.dumps(error.body()))


async def _read(request: Request) -> Json:
    body = await read_body(request)
    kind = request.headers.get("content-type", _FORM).partition(";")[0].strip().lower()
    if body and kind != _FORM:
        raise ApiError(f"Invalid request (check that your POST content type is {_FORM}).")
    return forms.decode(b"&".join(part for part in (request.scope["query_string"], body) if part))


async def read_body(request: Request) -> bytes:
    """Read the body. Raises ApiError 413 for a body that is larger than any real request's."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            raise ApiError("Request is too large.", status=413)
    return bytes(body)


async def _stay_silent(request: Request) -> None:
    """Send no answer for 30 s, or until the caller gives up or the sandbox stops."""
    try:
        async with asyncio.timeout(SILENCE):
            while (await request.receive())["type"] != "http.disconnect":
                continue
    except (TimeoutError, asyncio.CancelledError):
        return  # the task ends right after, so swallowing a cancellation is harmless
