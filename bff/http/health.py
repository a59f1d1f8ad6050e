"""GET /healthz and /readyz: is this process alive, and is the whole mesh ready?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from grpc.aio import Channel
from grpc_health.v1 import health_pb2, health_pb2_grpc
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bff.http.draining import Drain
from mesh.errors import NotFound
from mesh.health import DATABASE, WRITES

CHECK_SECONDS = 1.0
#: How old an answer may be. What was not ready a moment ago is asked again sooner: a mesh that starts is waited for.
CACHE_SECONDS, UNREADY_CACHE_SECONDS = 0.5, 0.05
SERVING, UNREACHABLE, DATABASE_AWAY, WRITES_FAIL = "SERVING", "UNREACHABLE", "DATABASE_AWAY", "WRITES_FAIL"
#: A service of an earlier version knows no such name.
_WELL = (SERVING, None)


async def report_alive(_: Request) -> Response:
    """GET /healthz: this process answers."""
    return JSONResponse({"status": "alive"})


class Readiness:
    """GET /readyz: 200 only when every service is SERVING by grpc.health.v1, else 503; the body names each.

    A service that serves, and whose database does not answer or takes no writes, is DATABASE_AWAY or WRITES_FAIL.
    While the edge drains it is not ready, so that a load balancer turns to others.
    """

    def __init__(self, channels: Mapping[str, Channel], drain: Drain | None = None) -> None:
        self._channels, self._drain = channels, drain or Drain()
        self._lock = asyncio.Lock()
        self._statuses: dict[str, str] = {}
        self._checked_at = float("-inf")

    async def report(self, _: Request) -> Response:
        services = await self._check_services()
        ready = all(status == SERVING for status in services.values()) and not self._drain.is_draining
        more = {"draining": True} if self._drain.is_draining else {}
        return JSONResponse({"ready": ready, "services": services, **more}, 200 if ready else 503)

    async def _check_services(self) -> dict[str, str]:
        """Each service's status, hardly older than CACHE_SECONDS. One request at a time asks all of them at once."""
        async with self._lock:
            was_ready = all(status == SERVING for status in self._statuses.values())
            if time.monotonic() - self._checked_at > (CACHE_SECONDS if was_ready else UNREADY_CACHE_SECONDS):
                statuses = await asyncio.gather(*map(_check, self._channels.values()))
                self._statuses, self._checked_at = dict(zip(self._channels, statuses, strict=True)), time.monotonic()
            return self._statuses


async def _check(channel: Channel) -> str:
    stub = health_pb2_grpc.HealthStub(channel)
    status, database, writes = await asyncio.gather(*(_ask(stub, name) for name in ("", DATABASE, WRITES)))
    if status != SERVING:
        return status or UNREACHABLE
    if database not in _WELL:
        return DATABASE_AWAY
    return SERVING if writes in _WELL else WRITES_FAIL


async def _ask(stub: health_pb2_grpc.HealthStub, name: str) -> str | None:
    """A status by grpc.health.v1; None when the service knows no such name, and UNREACHABLE without an answer."""
    try:
        reply = await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=CHECK_SECONDS)
    except NotFound:
        return None
    except Exception:  # whatever the cause, it is not ready
        return UNREACHABLE
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status))
