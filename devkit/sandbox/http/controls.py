"""`/_sandbox`: what a test may do to the sandbox and Stripe offers to nobody. Needs no key; takes JSON or a form."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devkit.sandbox.faults import read_integer
from devkit.sandbox.http.endpoints import read_body
from devkit.sandbox.resources import disputes, refunds
from devkit.sandbox.resources.calls import Call
from devkit.sandbox.sandbox import Sandbox
from devkit.sandbox.webhooks.outbox import MODES
from devkit.sandbox.wire import forms
from devkit.sandbox.wire.errors import ApiError, Json
from devkit.sandbox.wire.params import Params

_MAX_DELAY_MS = 3_600_000


class Controls:
    """The control routes of a sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[Route]:
        handlers: list[tuple[str, str, Callable[[Json], Json]]] = [
            ("GET", "/state", lambda _: self._sandbox.state()),
            ("DELETE", "/state", self._clear),
            ("GET", "/faults", lambda _: {"faults": self._sandbox.faults.all()}),
            ("POST", "/faults", self._sandbox.faults.add),
            ("DELETE", "/faults", self._clear_faults),
            ("GET", "/mail", lambda _: self._sandbox.mailbox.listed()),
            ("DELETE", "/mail", self._clear_mail),
            ("POST", "/forget_keys", lambda _: {"forgotten": self._sandbox.keys.forget()}),
            ("POST", "/webhooks", self._switch),
            ("POST", "/webhooks/redeliver", self._redeliver),
            ("POST", "/disputes", lambda body: self._run(disputes.create, body)),
            ("POST", "/disputes/{id}", lambda body: self._run(disputes.close, body)),
            ("POST", "/refunds/{id}", lambda body: self._run(refunds.settle, body)),
        ]
        return [Route(f"/_sandbox{path}", _endpoint(handler), methods=[method]) for method, path, handler in handlers]

    def _clear(self, _: Json) -> Json:
        self._sandbox.store.clear()
        return {"cleared": True}

    def _clear_mail(self, _: Json) -> Json:
        self._sandbox.mailbox.clear()
        return self._sandbox.mailbox.listed()

    def _clear_faults(self, _: Json) -> Json:
        self._sandbox.faults.clear()
        return {"faults": []}

    def _switch(self, body: Json) -> Json:
        outbox, mode = self._sandbox.outbox, body.get("mode", self._sandbox.outbox.mode)
        if mode not in MODES:
            raise ApiError(f"mode must be one of {', '.join(MODES)}", param="mode")
        outbox.switch(mode, read_integer(body, "delay_ms", 0, 0, _MAX_DELAY_MS))
        return {"mode": outbox.mode, "delay_ms": outbox.delay_ms}

    def _redeliver(self, body: Json) -> Json:
        event = body.get("event")
        if not isinstance(event, str):
            raise ApiError("Missing required param: event.", code="parameter_missing", param="event")
        self._sandbox.outbox.redeliver(event)
        return {"event": event}

    def _run(self, operation: Callable[..., Json], body: Json) -> Json:
        path = {"id": body.pop("id")} if "id" in body else {}
        call = Call(self._sandbox.store, self._sandbox.outbox, Params(body))
        with self._sandbox.store.transaction():
            return operation(call, **path)


def _endpoint(handler: Callable[[Json], Json]) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        try:
            return JSONResponse(handler({**await _read(request), **request.path_params}))
        except ApiError as error:
            return JSONResponse(error.body(), error.status)

    return handle


async def _read(request: Request) -> Json:
    raw = await read_body(request)
    if not raw.lstrip().startswith((b"{", b"[")):
        return forms.decode(raw)
    try:
        body = json.loads(raw)
        json.dumps(body, ensure_ascii=False).encode()  # refuses lone surrogates, which SQLite cannot store
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise ApiError("The body is not a JSON object.")
    return body
