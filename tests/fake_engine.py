"""A payment provider that is asked for sessions: it checks what it gets, and answers a repeat alike."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devkit.ports import reserve_port
from tests.world import _http

Answer = Callable[[Request], Awaitable[Response]]


@dataclass
class FakeEngine:
    """What was asked of it, and the sessions that it has opened, by request id. `answers` go before its own, once each."""

    url: str
    secret: str = "whsec_" + "c2VjcmV0IG9mIHRoZSBlbmdpbmU="
    asked: list[dict[str, Any]] = field(default_factory=list)
    sessions: dict[str, str] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    bodies: dict[str, set[bytes]] = field(default_factory=dict)

    async def open_session(self, request: Request) -> Response:
        body = await request.body()
        Webhook(self.secret).verify(body.decode(), dict(request.headers))
        key, told = request.headers["idempotency-key"], json.loads(body)
        assert key == request.headers["webhook-id"] == told["request_id"]
        self.asked.append(told)
        self.bodies.setdefault(key, set()).add(body)
        if self.answers:
            return await self.answers.pop(0)(request)
        session = self.sessions.setdefault(key, f"session_{key}")
        return JSONResponse({"payment_session_id": session, "payment_url": f"https://pay.example.com/{session}"})


def answer(body: Any, status: int = 200, **headers: str) -> Answer:
    """An answer of its own, as JSON or as bytes."""

    async def say(_: Request) -> Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Response(raw, status, headers={"content-type": "application/json", **headers})

    return say


async def silence(request: Request) -> Response:
    """No answer, until the caller has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return Response()


@contextlib.asynccontextmanager
async def fake_engine() -> AsyncIterator[FakeEngine]:
    """One that listens."""
    port = reserve_port()
    engine = FakeEngine(f"http://127.0.0.1:{port}/sessions")
    app = Starlette(routes=[Route("/sessions", engine.open_session, methods=["POST"])])
    async with _http(app, port, lifespan="off"):
        yield engine
