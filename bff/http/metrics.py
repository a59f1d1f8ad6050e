"""What the edge counts of every HTTP request."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mesh.metrics.registry import counter, exemplar, gauge, histogram

#: The label of a request that matched no route. Its path is any text of a client's, and would grow the table.
NO_ROUTE = "none"
_METHODS = frozenset({"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"})

REQUESTS = counter(
    "tutormesh_bff_requests_total",
    "HTTP requests answered, by route, method and status. A failed GraphQL operation is a 200 too.",
    ("route", "method", "status"),
)
SECONDS = histogram("tutormesh_bff_request_duration_seconds", "How long HTTP requests took, by route.", ("route",))
LIMITED = counter("tutormesh_bff_rate_limited_total", "Requests refused because their caller sent too many.")
UNDER_WAY = gauge("tutormesh_bff_requests_in_flight", "HTTP requests that are being answered now.")


def count_requests(app: ASGIApp) -> ASGIApp:
    """The same application, each of its requests counted."""

    async def count(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await _run(app, scope, receive, send)
        else:
            await app(scope, receive, send)

    return count


async def _run(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    began, status, example = time.perf_counter(), 500, exemplar()

    async def note_status(message: Message) -> None:
        nonlocal status, example
        if message["type"] == "http.response.start":
            status, example = message["status"], exemplar()  # the request's span is open now, and no longer at the end
        await send(message)

    with UNDER_WAY.track_inprogress():
        try:
            await app(scope, receive, note_status)
        finally:
            _count(scope, status, time.perf_counter() - began, example)


def _count(scope: Scope, status: int, seconds: float, example: dict[str, str] | None) -> None:
    route = getattr(scope.get("route"), "path", NO_ROUTE)
    method = scope["method"] if scope["method"] in _METHODS else "other"
    REQUESTS.labels(route, method, status).inc()
    SECONDS.labels(route).observe(seconds, example)
    allowance = scope.get("state", {}).get("allowance")
    LIMITED.inc(allowance is not None and not allowance.is_allowed)
