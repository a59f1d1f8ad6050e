"""The HTTP server: uvicorn, stopped gently by SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import contextlib
import math
import resource
import signal
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from bff.http.bodies import MAX_JSON_BYTES
from bff.http.connections import MAX_CONNECTIONS, Connections
from bff.http.draining import Drain
from bff.http.header_limits import HeaderLimitProtocol, WebSocketProtocol
from bff.settings import Settings
from mesh import garbage
from mesh.logs import log

BACKLOG = 512
KEEP_ALIVE_SECONDS = 30
#: Files beside the connections: channels, logs, the listener. And the connections that are accepted at once, before
#: others are closed for them.
OTHER_FILES = 256 + BACKLOG
#: How often a WebSocket is pinged, and how long its client has to answer.
PING_SECONDS, PONG_SECONDS = 20.0, 10.0
#: A connection is closed when its client acknowledges nothing for so long (RFC 5482).
UNREAD_MILLISECONDS = 30_000


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """`serve` handles signals: uvicorn would raise them again after its stop, and the process would end as if killed."""
        yield


async def serve(app: ASGIApp, settings: Settings, drain: Drain) -> None:
    """Serves until SIGTERM or SIGINT, and then drains: for a while it still serves, and sends clients elsewhere.

    Then it stops. Running requests may finish, idle connections are closed, and WebSockets go away.
    """
    server = _Server(config(app, settings, most_connections(), drain))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _leave, server, drain, settings.drain_delay_seconds)
    garbage.tune()
    with listen(settings) as listener:
        log().info("serving", port=listener.getsockname()[1])
        await server.serve(sockets=[listener])
    log().info("stopped")


def _leave(server: uvicorn.Server, drain: Drain, seconds: float) -> None:
    """Begin to drain, and stop after so many seconds. A second signal stops at once."""
    if drain.is_draining:
        server.should_exit = True
        return
    log().info("draining")
    drain.is_draining = True
    for connection in server.server_state.connections:
        if isinstance(connection, HeaderLimitProtocol):
            connection.end_with_answer()
    asyncio.get_running_loop().call_later(seconds, setattr, server, "should_exit", True)


@contextlib.contextmanager
def listen(settings: Settings) -> Iterator[socket.socket]:
    """A bound, listening socket; port 0 takes a free one.

    It names IPPROTO_TCP: only then asyncio sets TCP_NODELAY on accepted connections. Without that, an answer's body
    waits until the client acknowledges its header: 40 ms on a kept connection (RFC 896 meets RFC 1122, 4.2.3.2).
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; accepted connections inherit it
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MILLISECONDS)
        if settings.reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
        yield listener


def most_connections() -> int:
    """MAX_CONNECTIONS, or fewer when the process may not open so many files. It takes as many as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + OTHER_FILES
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(1, allowed - OTHER_FILES)


def config(app: ASGIApp, settings: Settings, most: int = MAX_CONNECTIONS, drain: Drain | None = None) -> uvicorn.Config:
    """uvicorn's configuration, for at most so many connections."""
    own = {"open_connections": Connections(most), "drain": drain or Drain()}
    return uvicorn.Config(
        app,
        http=type("Protocol", (HeaderLimitProtocol,), own),
        ws=WebSocketProtocol,
        ws_max_size=MAX_JSON_BYTES,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PONG_SECONDS,
        ws_per_message_deflate=False,  # messages are small, and a compressor costs memory for each client
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        limit_concurrency=most + 1,  # one more has room only until somebody's idle connection is closed for it
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
    )
