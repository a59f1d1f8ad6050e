"""A stand-in for any service. It answers every GET on PORT with 200, and records its start and its stop in a journal.

Usage: fake_service.py JOURNAL NAME. The journal gets a line `NAME started PID`, later `NAME stopped PID`.
"""

import http.server
import os
import signal
import socketserver
import sys

JOURNAL, NAME = sys.argv[1:3]


def note(what: str) -> None:
    with open(JOURNAL, "a") as journal:  # noqa: PTH123 - pathlib would slow down a program that starts many times
        journal.write(f"{NAME} {what} {os.getpid()}\n")


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Server(socketserver.TCPServer):
    allow_reuse_address = True
    allow_reuse_port = os.environ.get("REUSE_PORT") == "true"


def stop(*_: object) -> None:
    note("stopped")
    sys.exit(0)


signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGUSR1, lambda *_: os._exit(2))  # the exit code for a bad setting
with Server(("127.0.0.1", int(os.environ.get("PORT") or os.environ["SANDBOX_PORT"])), Answer) as server:
    note("started")
    print(f"{NAME} listens", flush=True)
    server.serve_forever()
