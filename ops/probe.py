"""Is one process ready? `python -I -S ops/probe.py HOST:PORT|URL`: the health checks of containers run it.

Every container runs it every few seconds, so it imports sockets and nothing else: gRPC takes ten times as long to import.
HOST:PORT is the plaintext port of a service (HEALTH_PORT); it is asked by grpc.health.v1. A URL must answer 200. An IPv6
address has brackets, such as [::1]:9000.
Sources: RFC 9113 (frames), RFC 7541 (fields), and gRPC over HTTP/2.
"""

from __future__ import annotations

import socket
import sys

TIMEOUT_SECONDS = 4
DATA, HEADERS, SETTINGS, GOAWAY = 0, 1, 4, 7
END_STREAM, END_HEADERS = 1, 4
#: A message without compression: its length, then HealthCheckResponse{status: SERVING}.
SERVING = b"\x00\x00\x00\x00\x02\x08\x01"
EMPTY_MESSAGE = b"\x00\x00\x00\x00\x00"


def main() -> None:
    """End with 0 when it is ready, else with 1 and one line."""
    (target,) = sys.argv[1:]
    try:
        problem = ask_http(target) if target.startswith("http://") else ask_grpc(target)
    except OSError as error:
        problem = str(error)
    if problem:
        sys.exit(f"{target}: {problem}")


def ask_http(url: str) -> str:
    """What is wrong with the answer to GET; nothing when it is 200."""
    address, _, path = url.removeprefix("http://").partition("/")
    with _connect(address) as server:
        server.sendall(f"GET /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
        status = server.makefile("rb").readline().decode("latin-1").strip()
    return "" if status.split(" ")[1:2] == ["200"] else status or "it closed the connection"


def ask_grpc(address: str) -> str:
    """What is wrong with the answer to grpc.health.v1.Health/Check; nothing when it is SERVING."""
    with _connect(address) as server:
        server.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + _frame(SETTINGS, 0, 0, b"")
            + _frame(HEADERS, END_HEADERS, 1, _fields(address))
            + _frame(DATA, END_STREAM, 1, EMPTY_MESSAGE)
        )
        return _read_answer(server)


def _read_answer(server: socket.socket) -> str:
    frames = server.makefile("rb")
    while len(head := frames.read(9)) == 9:
        kind, flags, body = head[3], head[4], frames.read(int.from_bytes(head[:3], "big"))
        if kind == DATA:
            return "" if body == SERVING else "it is not SERVING"
        if kind == GOAWAY or (kind == HEADERS and flags & END_STREAM):
            return "it refuses the call"
    return "it closed the connection"


def _fields(address: str) -> bytes:
    """The request's fields, by their numbers in HPACK's static table where they have one."""
    return (
        b"\x83\x86"  # POST, http
        + b"\x04" + _text("/grpc.health.v1.Health/Check")
        + b"\x01" + _text(address)
        + b"\x0f\x10" + _text("application/grpc")
        + b"\x00" + _text("te") + _text("trailers")
    )  # fmt: skip


def _text(value: str) -> bytes:
    return bytes([len(value)]) + value.encode()


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


def _connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout=TIMEOUT_SECONDS)


if __name__ == "__main__":
    main()
