"""GET /metrics on a port of its own, METRICS_PORT, for operators. Without the setting there is no server.

A thread answers, so that a process whose event loop stands still can still be seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from socketserver import TCPServer, ThreadingMixIn
from threading import BoundedSemaphore, Thread
from typing import Any, Protocol
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from mesh.loops import run_forever
from mesh.metrics import process
from mesh.metrics.database import Pool, watch_pool
from mesh.metrics.registry import REGISTRY
from mesh.settings import ServiceSettings

PATH = "/metrics"
#: Scrapes at the same time. Further connections are closed.
MOST_CLIENTS = 32
#: How long a client may take to send its request, or to take the answer.
CLIENT_SECONDS = 5.0
#: How often the numbers are read that are in the database.
REFRESH_SECONDS = 15.0


class StoredIn(Protocol):
    """What is asked of a database."""

    @property
    def name(self) -> str: ...

    @property
    def pool(self) -> Pool: ...


@contextlib.asynccontextmanager
async def serving(
    settings: ServiceSettings,
    service: str,
    database: StoredIn | None = None,
    refresh: Callable[[], Awaitable[object]] | None = None,
) -> AsyncIterator[None]:
    """Within, METRICS_PORT answers; without that setting nothing is served, measured or read.

    `refresh` reads the gauges that are in the database, every REFRESH_SECONDS, however often somebody scrapes. Ends the
    process with one line when the port cannot be bound.
    """
    if settings.metrics_port is None:
        yield
        return
    process.describe(service, settings.certificates)
    if database is not None:
        watch_pool(database.name, database.pool)
    with answering(settings.host, settings.metrics_port):
        tasks = [asyncio.create_task(process.measure_lag())]
        if refresh is not None:
            tasks.append(asyncio.create_task(run_forever("metrics", refresh, REFRESH_SECONDS)))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def answering(host: str, port: int) -> Iterator[int]:
    """Within, a thread answers GET /metrics; the bound port, also when 0 asks for a free one."""
    try:
        server = make_server(host, port, _answer, server_class=_Server, handler_class=_Handler)
    except OSError as error:
        print(f"METRICS_PORT: {host}:{port} cannot be bound: {error.strerror}", file=sys.stderr)
        raise SystemExit(1) from None
    Thread(target=server.serve_forever, args=(0.1,), name="metrics", daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64
    block_on_close = False  # a client that reads slowly keeps nobody

    def __init__(self, address: tuple[str, int], *rest: Any) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, *rest)
        self._slots = BoundedSemaphore(MOST_CLIENTS)

    def server_bind(self) -> None:
        """HTTPServer's own asks the DNS for the name of this machine, which can take half a minute."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._slots.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no news."""


class _Handler(WSGIRequestHandler):
    timeout = CLIENT_SECONDS

    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are not logged."""


_expose = make_wsgi_app(REGISTRY)


def _answer(environ: dict[str, Any], start_response: Any) -> Any:
    if environ["PATH_INFO"] != PATH:
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [f"metrics are at {PATH}\n".encode()]
    return _expose(environ, start_response)
