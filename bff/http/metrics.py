"""GET /metrics: what the edge can tell of itself, as Prometheus reads it (text format 0.0.4). Counted by this process."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: How a request is counted that no route took: a path of the client's own making would grow the table.
NO_ROUTE = "none"
_METHODS = frozenset({"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"})

Labels = tuple[str, str, int]


class Metrics:
    """Counts what passes through `around`."""

    def __init__(self) -> None:
        self._requests: Counter[Labels] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._limited = self._in_flight = 0

    def around(self, app: ASGIApp) -> ASGIApp:
        """The same application, counted."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                await self._counted(app, scope, receive, send)
            else:
                await app(scope, receive, send)

        return counted

    async def get(self, _: Request) -> Response:
        return Response("\n".join(self._lines()) + "\n", media_type="text/plain; version=0.0.4")

    async def _counted(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        began, status = time.perf_counter(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._in_flight += 1
        try:
            await app(scope, receive, answer)
        finally:
            self._in_flight -= 1
            self._count(scope, status, time.perf_counter() - began)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", NO_ROUTE)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._requests[route, method, status] += 1
        self._seconds[route] += seconds
        allowance = scope.get("state", {}).get("allowance")
        self._limited += allowance is not None and not allowance.is_admitted

    def _lines(self) -> Iterator[str]:
        yield "# TYPE tutormesh_bff_requests_total counter"
        for (route, method, status), number in sorted(self._requests.items()):
            labels = f'route="{route}",method="{method}",status="{status}"'
            yield f"tutormesh_bff_requests_total{{{labels}}} {number}"
        yield "# TYPE tutormesh_bff_request_seconds_total counter"
        for route, seconds in sorted(self._seconds.items()):
            yield f'tutormesh_bff_request_seconds_total{{route="{route}"}} {seconds:.6f}'
        yield "# TYPE tutormesh_bff_rate_limited_total counter"
        yield f"tutormesh_bff_rate_limited_total {self._limited}"
        yield "# TYPE tutormesh_bff_requests_in_flight gauge"
        yield f"tutormesh_bff_requests_in_flight {self._in_flight}"
