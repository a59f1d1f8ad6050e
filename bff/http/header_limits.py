"""Request heads (request line and header fields) within bounds of size and time; uvicorn knows none for either."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MAX_HEAD_BYTES = 32 * 1024
#: More than the largest body of any door, with its framing: who sends on is not listened to.
MAX_REQUEST_BYTES = 2 * 1024 * 1024
#: From a head's first byte (of a connection: from its beginning) to its end.
HEAD_SECONDS = 10.0


class BoundedHeads(HttpToolsProtocol):
    """Refuses with 431 a head that is too large and with 408 one that does not come; then it closes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._bytes = 0  # of the request that is coming
        self._in_head = True
        self._too_late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._come()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._bytes += len(data)
        if self._in_head:
            self._wait()
        super().data_received(data)
        if self._bytes > (MAX_HEAD_BYTES if self._in_head else MAX_REQUEST_BYTES):
            self._refuse(431 if self._in_head else 413, b"the request is too large")

    def on_message_begin(self) -> None:
        self._wait()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._come()
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEAD_BYTES:
            self._refuse(431, b"the request is too large")  # it came all at once
            raise ValueError  # ends the parsing
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._bytes, self._in_head = 0, True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def _wait(self) -> None:
        if self._too_late is None:
            self._too_late = self.loop.call_later(
                HEAD_SECONDS, self._refuse, 408, b"the request did not arrive in time"
            )

    def _come(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
            self._too_late = None

    def _refuse(self, status: int, message: bytes) -> None:
        self._come()
        if self.transport.is_closing():
            return
        length = b"content-length: %d\r\n" % len(message)
        fields = b"content-type: text/plain\r\n" + length + b"connection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[status] + fields + message)
        self.transport.close()
