"""What every call to the API passes: key, faults, idempotency; then the operation, in one transaction."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from . import auth, forms, shapes
from .calls import Call
from .errors import ApiError, Json, rate_limited, server_error
from .expand import expanded
from .idempotency import Answer
from .ids import new_id
from .params import Params
from .sandbox import Sandbox

_log = logging.getLogger("sandbox")
SILENCE = 30.0
_MAX_BODY = 1_000_000
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Operation:
    """What a route does, and for whom: `public` also for the publishable key, `open` for anybody."""

    run: Callable[..., Json]
    public: bool = False
    open: bool = False


@dataclass(slots=True)
class Visit:
    """One request on its way through."""

    operation: Operation
    method: str
    path: str
    ids: dict[str, str]
    call: Call
    fault: str | None = None
    delay: float = 0.0

    @property
    def key(self) -> str | None:
        return self.call.idempotency_key


class Door:
    """Turns an operation into an HTTP endpoint."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def endpoint(self, operation: Operation) -> Callable[[Request], asyncio.Future[Response]]:
        async def handle(request: Request) -> Response:
            request_id = new_id("req", 14)
            try:
                visit = await self._enter(request, operation, request_id)
                answer = await self._answer(visit)
            except ApiError as error:
                return respond(_refusal(error), request, request_id)
            except ClientDisconnect:
                return Response(status_code=400)  # nobody is there to read it
            if visit.fault == "timeout_after":
                await _silence(request)
            return respond(answer, request, request_id)

        return handle  # type: ignore[return-value]

    async def _enter(self, request: Request, operation: Operation, request_id: str) -> Visit:
        params = Params(await _read(request))
        open_to_all = operation.open and not request.headers.get("authorization")
        publishable = open_to_all or auth.publishable(request.headers, params)
        if publishable and not (operation.public or open_to_all):
            raise auth.needs_secret_key()
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        call = Call(self._sandbox.store, self._sandbox.outbox, params, request_id, key or None, publishable)
        return Visit(operation, request.method, request.url.path, dict(request.path_params), call)

    async def _answer(self, visit: Visit) -> Answer:
        kept = self._recall(visit)
        visit.fault, delay_ms = self._sandbox.faults.take(visit.method, visit.path, repeat=kept is not None)
        if visit.fault == "rate_limit":
            raise rate_limited()
        if visit.fault == "error_before":
            raise server_error()
        if kept is not None:
            return kept
        if visit.fault == "slow":
            await self._later(visit, delay_ms / 1000)
        return self._execute(visit)

    def _recall(self, visit: Visit) -> Answer | None:
        return self._sandbox.keys.recall(visit.key, visit.path, visit.call.params) if visit.key else None

    async def _later(self, visit: Visit, seconds: float) -> None:
        """Holds the key while the operation waits: the same key is refused meanwhile."""
        if visit.key:
            self._sandbox.keys.take(visit.key)
        try:
            await asyncio.sleep(seconds)
        finally:
            if visit.key:
                self._sandbox.keys.release(visit.key)

    def _execute(self, visit: Visit) -> Answer:
        """Runs the operation and keeps its answer, all or nothing; a refusal before it began keeps nothing."""
        visit.call.fault = visit.fault
        with self._sandbox.store.transaction():
            answer = self._run(visit)
            if visit.fault == "error_after":
                answer = _refusal(server_error())
            if visit.key:
                call = visit.call
                self._sandbox.keys.keep(visit.key, visit.path, call.params, answer, call.request_id or "")
        self._sandbox.deliverer.wake()
        return answer

    def _run(self, visit: Visit) -> Answer:
        call = visit.call
        try:
            body = visit.operation.run(call, **visit.ids)
            return Answer(200, json.dumps(expanded(call.store, call.params, body)))
        except ApiError as error:
            if not error.executed:
                raise
            return _refusal(error)
        except Exception as bug:
            _log.exception("an operation failed: %s %s", visit.method, visit.path)
            raise server_error() from bug


def respond(answer: Answer, request: Request, request_id: str) -> Response:
    """The answer with Stripe's headers."""
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
    body = await bounded_body(request)
    kind = request.headers.get("content-type", _FORM).partition(";")[0].strip().lower()
    if body and kind != _FORM:
        raise ApiError(f"Invalid request (check that your POST content type is {_FORM}).")
    return forms.decode(b"&".join(part for part in (request.scope["query_string"], body) if part))


async def bounded_body(request: Request) -> bytes:
    """The body. Raises ApiError 413 for one that no honest call needs."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            raise ApiError("Request is too large.", status=413)
    return bytes(body)


async def _silence(request: Request) -> None:
    """Says nothing for 30 s, or until the caller has given up or the sandbox stops."""
    try:
        async with asyncio.timeout(SILENCE):
            while (await request.receive())["type"] != "http.disconnect":
                continue
    except (TimeoutError, asyncio.CancelledError):
        return  # the task ends right after, so a cancellation is heeded
