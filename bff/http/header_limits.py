"""The HTTP protocol with bounds that uvicorn has not: on a header's size and time, on connections, on pipelining."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from bff.http.addresses import network_of
from bff.http.connections import Connections, OpenConnection
from bff.http.draining import Drain

MAX_HEADER_BYTES = 32 * 1024
#: More than the largest body of any endpoint with its framing. A client that sends more is cut off.
MAX_REQUEST_BYTES = 2 * 1024 * 1024
#: From a header's first byte, or for a new connection from its beginning, to the header's end.
HEADER_SECONDS = 10.0
#: When the server stops, a new connection may still send its first request for so long.
FIRST_REQUEST_SECONDS = 0.2
#: Requests that wait behind another one of their connection (RFC 9112, 9.3.2). A client that sends more is cut off.
MAX_WAITING = 16
#: Of a WebSocket: the frames of one message, and the bytes that its client has not read. A client beyond it is cut off.
#: The server answers each ping by itself, so a client that only pings would fill its memory.
MAX_FRAMES, MAX_UNREAD_BYTES = 1000, 2 * 1024 * 1024


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket, which was opened as an HTTP connection and is counted as one."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if len(self.frames) > MAX_FRAMES or self.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self.transport.abort()

    def shutdown(self) -> None:
        """The server stops. The endpoint answers what has begun, and then closes (bff.graphql.websocket.connection)."""
        if self.handshake_complete and not self.close_sent:
            self.app_state["connection"].leaving.set()
        else:
            super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        self.app_state["connection"].close()
        super().connection_lost(exc)


class HeaderLimitProtocol(HttpToolsProtocol):
    """Answers 431 to a header that is too large and 408 to one that is too slow; then it closes the connection.

    `open_connections` knows each connection. The request's state has it as `connection`; so has that of a WebSocket.
    While the edge drains, each answer says that its connection ends with it: clients go to another replica.
    """

    open_connections = Connections()
    drain = Drain()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_upgraded = False
        self._running: RequestResponseCycle | None = None
        self._bytes = 0  # of the request that is arriving
        self._in_header = True
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_timer()
        owner = network_of(self.client[0]) if self.client else ""
        self._open = OpenConnection(transport, owner, self._is_idle, self.open_connections)
        self.app_state = {**self.app_state, "connection": self._open}
        self.open_connections.add(self._open)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._open.close()
        super().connection_lost(exc)
        if self._running is not None:  # uvicorn tells only the last one that arrived
            self._running.disconnected = True
            self._running.message_event.set()

    def shutdown(self) -> None:
        """The server stops. The first request of a new connection may be on its way, and is answered."""
        if self._running is None and not self._is_upgraded:
            self.loop.call_later(FIRST_REQUEST_SECONDS, super().shutdown)
        else:
            super().shutdown()

    def data_received(self, data: bytes) -> None:
        self._bytes += len(data)
        if self._in_header:
            self._start_timer()
        super().data_received(data)
        if self._bytes > (MAX_HEADER_BYTES if self._in_header else MAX_REQUEST_BYTES):
            self._refuse(431 if self._in_header else 413, b"the request is too large")

    def on_message_begin(self) -> None:
        self._start_timer()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_header = False
        self._stop_timer()
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEADER_BYTES:
            self._refuse(431, b"the request is too large")  # it arrived in one piece
            raise ValueError  # ends the parsing
        super().on_headers_complete()
        if len(self.pipeline) > MAX_WAITING:
            self.transport.close()
            raise ValueError  # ends the parsing

    def on_message_complete(self) -> None:
        self._bytes, self._in_header = 0, True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        self.end_with_answer()
        super()._start_asgi_task(cycle, app)

    def end_with_answer(self) -> None:
        """While the edge drains, end the connection with the answer that is not yet sent, unless more requests wait."""
        if self.drain.is_draining and self._running and not self._running.response_started and not self.pipeline:
            self._running.keep_alive = False

    def handle_websocket_upgrade(self) -> None:
        self._is_upgraded = True
        super().handle_websocket_upgrade()

    def _is_idle(self) -> bool:
        return not self._is_upgraded and (self.cycle is None or self.cycle.response_complete)

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEADER_SECONDS, self._refuse, 408, b"the request did not arrive in time")

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: int, message: bytes) -> None:
        self._stop_timer()
        if self.transport.is_closing():
            return
        length = b"content-length: %d\r\n" % len(message)
        fields = b"content-type: text/plain\r\n" + length + b"connection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[status] + fields + message)
        self.transport.close()
