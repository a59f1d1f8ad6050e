"""grpc.health.v1 of a server. Unlike grpcio's own servicer, no watcher that takes no answer holds up the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc

from mesh.errors import NotFound

#: A `grpc.health.v1.HealthCheckResponse.ServingStatus`.
Status = int
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
#: Names beside those of services, for readiness: the database answers in time; it takes writes too (mesh.database_watch).
DATABASE, WRITES = "database", "database.writes"


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """The status of each service by name; "" is the server's."""

    def __init__(self) -> None:
        self._statuses: dict[str, Status] = {}
        self._changes: set[asyncio.Event] = set()

    def set(self, name: str, status: Status) -> None:
        """Set the status of a service, and tell its watchers. Waits for nobody."""
        self._statuses[name] = status
        for changed in self._changes:
            changed.set()

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Any) -> health_pb2.HealthCheckResponse:
        if request.service not in self._statuses:
            raise NotFound("there is no such service")
        return health_pb2.HealthCheckResponse(status=self._statuses[request.service])

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """The status now and each one after; a slow watcher may miss some in between, never the last."""
        changed, told = asyncio.Event(), None
        self._changes.add(changed)
        try:
            while True:
                changed.clear()
                status = self._statuses.get(request.service, SERVICE_UNKNOWN)
                if status != told:
                    yield health_pb2.HealthCheckResponse(status=status)
                    told = status
                await changed.wait()
        finally:
            self._changes.discard(changed)
