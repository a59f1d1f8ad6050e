"""GET /metrics: requests of this process, counted for Prometheus (text format 0.0.4)."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: The label of a request that matched no route. Its path is any text of a client's, and would grow the table.
NO_ROUTE = "none"
_METHODS = frozenset({"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"})

Labels = tuple[str, str, int]


class Metrics:
    """Counts the requests of the application that `count_requests` wraps."""

    def __init__(self) -> None:
        self._requests: Counter[Labels] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._limited = self._in_flight = 0

    def count_requests(self, app: ASGIApp) -> ASGIApp:
        """The same application, each of its requests counted."""

        async def count(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                await self._run(app, scope, receive, send)
            else:
                await app(scope, receive, send)

        return count

    async def report(self, _: Request) -> Response:
        return Response("\n".join(self._lines()) + "\n", media_type="text/plain; version=0.0.4")

    async def _run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        began, status = time.perf_counter(), 500

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._in_flight += 1
        try:
            await app(scope, receive, note_status)
        finally:
            self._in_flight -= 1
            self._count(scope, status, time.perf_counter() - began)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", NO_ROUTE)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._requests[route, method, status] += 1
        self._seconds[route] += seconds
        allowance = scope.get("state", {}).get("allowance")
        self._limited += allowance is not None and not allowance.is_allowed

    def _lines(self) -> Iterator[str]:
        yield "# HELP tutormesh_bff_requests_total Requests answered, by route, method and status."
        yield "# TYPE tutormesh_bff_requests_total counter"
        for (route, method, status), number in sorted(self._requests.items()):
            labels = f'route="{route}",method="{method}",status="{status}"'
            yield f"tutormesh_bff_requests_total{{{labels}}} {number}"
        yield "# HELP tutormesh_bff_request_seconds_total Seconds that the answers took, by route."
        yield "# TYPE tutormesh_bff_request_seconds_total counter"
        for route, seconds in sorted(self._seconds.items()):
            yield f'tutormesh_bff_request_seconds_total{{route="{route}"}} {seconds:.6f}'
        yield "# HELP tutormesh_bff_rate_limited_total Requests refused because their caller sent too many."
        yield "# TYPE tutormesh_bff_rate_limited_total counter"
        yield f"tutormesh_bff_rate_limited_total {self._limited}"
        yield "# HELP tutormesh_bff_requests_in_flight Requests that are being answered."
        yield "# TYPE tutormesh_bff_requests_in_flight gauge"
        yield f"tutormesh_bff_requests_in_flight {self._in_flight}"
