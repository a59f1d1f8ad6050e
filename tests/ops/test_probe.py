"""ops/probe.py, as containers run it: without the packages, and without this checkout on the path.

What it says of a gRPC service is in tests/mesh/test_certificates.py.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

PROBE = Path(__file__).parents[2] / "ops" / "probe.py"


class Edge(BaseHTTPRequestHandler):
    """Ready at /readyz, and nowhere else."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def edge() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Edge) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def run(target: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", PROBE, target], cwd="/", capture_output=True, text=True, timeout=20
    )
    return done.returncode, done.stderr.strip()


def test_an_answer_200_is_ready_and_another_one_is_not(edge: str) -> None:
    assert run(f"{edge}/readyz") == (0, "")
    status, line = run(f"{edge}/other")
    assert status == 1 and line.startswith(f"{edge}/other: HTTP/1.0 503")


def test_who_does_not_listen_or_speaks_no_grpc_is_not_ready(edge: str) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{bound.getsockname()[1]}"
        assert run(nobody) == (1, f"{nobody}: [Errno 111] Connection refused")
    assert run(edge.removeprefix("http://"))[0] == 1
