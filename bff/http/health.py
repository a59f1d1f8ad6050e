"""Is this process alive, and is the whole mesh ready?"""

from __future__ import annotations

import asyncio
import time

from grpc.aio import Channel
from grpc_health.v1 import health_pb2, health_pb2_grpc
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bff.peers import Peers

CHECK_SECONDS, REMEMBER_SECONDS = 1.0, 0.5
SERVING, UNREACHABLE = "SERVING", "UNREACHABLE"


async def alive(_: Request) -> Response:
    """GET /healthz: this process answers."""
    return JSONResponse({"status": "alive"})


class Readiness:
    """GET /readyz: 200 only when every service is SERVING by grpc.health.v1, else 503; the body names each."""

    def __init__(self, peers: Peers) -> None:
        self._channels = peers.channels
        self._lock = asyncio.Lock()
        self._seen: dict[str, str] = {}
        self._seen_at = float("-inf")

    async def get(self, _: Request) -> Response:
        services = await self._services()
        ready = all(status == SERVING for status in services.values())
        return JSONResponse({"ready": ready, "services": services}, 200 if ready else 503)

    async def _services(self) -> dict[str, str]:
        """Each service's status, at most half a second old; all are asked at once, by one request at a time."""
        async with self._lock:
            if time.monotonic() - self._seen_at > REMEMBER_SECONDS:
                statuses = await asyncio.gather(*map(_status, self._channels.values()))
                self._seen, self._seen_at = dict(zip(self._channels, statuses, strict=True)), time.monotonic()
            return self._seen


async def _status(channel: Channel) -> str:
    stub = health_pb2_grpc.HealthStub(channel)
    try:
        reply = await stub.Check(health_pb2.HealthCheckRequest(), timeout=CHECK_SECONDS)
    except Exception:  # whatever keeps it from answering, it is not ready
        return UNREACHABLE
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status))
