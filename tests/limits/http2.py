"""A client of HTTP/2 (RFC 9113) that sends what no gRPC library would."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS = 1, 4
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 3, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#: A gRPC message of no bytes: not compressed, of length 0.
EMPTY_MESSAGE = b"\0\0\0\0\0"


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def message(body: bytes) -> bytes:
    return b"\0" + struct.pack(">I", len(body)) + body


def header_block(path: bytes, extra: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
    """The headers of a gRPC request, as literals without indexing (RFC 7541)."""
    usual = ((b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"x"))
    grpc = ((b"te", b"trailers"), (b"content-type", b"application/grpc"))
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in (*usual, *grpc, *extra))


def _text(value: bytes) -> bytes:
    if len(value) < 127:
        return bytes([len(value)]) + value
    rest, more = divmod(len(value) - 127, 128)
    assert rest < 128
    return bytes([127, more | 128, rest]) + value


@dataclass
class Connection:
    """A connection, and the frames that came on it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    frames: list[tuple[int, int, int, bytes]] = field(default_factory=list)

    async def send(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))
        await self.writer.drain()

    async def request(self, stream: int, path: bytes, *data: bytes, end: bool = True, **headers: bytes) -> None:
        """A request with these DATA frames; `x_y=` is the header x-y."""
        extra = [(name.replace("_", "-").encode(), value) for name, value in headers.items()]
        last = len(data) - 1
        await self.send(
            frame(HEADERS, END_HEADERS | (END_STREAM if end and not data else 0), stream, header_block(path, extra)),
            *(frame(DATA, END_STREAM if end and n == last else 0, stream, part) for n, part in enumerate(data)),
        )

    async def until_ended(self, stream: int) -> bytes:
        """The payloads of the HEADERS frames of this stream, once it has ended. Raises EOFError when the connection ends."""
        async with asyncio.timeout(10):
            while not any(f[2] == stream and f[1] & END_STREAM and f[0] in (DATA, HEADERS) for f in self.frames):
                await self._read_frame()
        return b"".join(payload for kind, _, of, payload in self.frames if kind == HEADERS and of == stream)

    async def settings(self) -> dict[int, int]:
        """The server's first SETTINGS."""
        async with asyncio.timeout(10):
            while not any(kind == SETTINGS and not flags for kind, flags, _, _ in self.frames):
                await self._read_frame()
        payload = next(payload for kind, flags, _, payload in self.frames if kind == SETTINGS and not flags)
        return dict(struct.iter_unpack(">HI", payload))

    async def _read_frame(self) -> None:
        head = await self.reader.readexactly(9)
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        self.frames.append((kind, flags, int.from_bytes(head[5:], "big"), await self.reader.readexactly(length)))


@contextlib.asynccontextmanager
async def connection(address: str, settings: dict[int, int] | None = None) -> AsyncIterator[Connection]:
    """A new connection to "host:port", with these SETTINGS."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    opened = Connection(reader, writer)
    payload = b"".join(struct.pack(">HI", *item) for item in (settings or {}).items())
    await opened.send(PREFACE, frame(SETTINGS, 0, 0, payload))
    try:
        yield opened
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
