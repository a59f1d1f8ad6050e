"""`python -m devkit.sandbox`: serves until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys

import uvicorn

from .app import build
from .settings import InvalidSetting, Settings, load

# Longer than any client keeps an idle connection, so that the server never closes one that is about to be used.
_KEEP_ALIVE = 120


def listen(host: str, port: int) -> socket.socket:
    """A listening socket whose connections send at once (without TCP_NODELAY each small answer waits 40 ms)."""
    listener = socket.create_server((host, port), backlog=512)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def server(settings: Settings) -> uvicorn.Server:
    """An HTTP server for the sandbox that ends within 2 s, whatever its clients do."""
    return uvicorn.Server(
        uvicorn.Config(
            build(settings),
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=1,
        )
    )


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    try:
        settings = load(os.environ)
        listener = listen(settings.host, settings.port)
    except (InvalidSetting, OSError) as error:
        sys.exit(f"sandbox: {error}")
    serving = server(settings)
    # uvicorn handles the signals while it serves, then raises them again: end with exit code 0 then.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: setattr(serving, "should_exit", True))
    print(f"Stripe sandbox on http://{settings.host}:{settings.port}", flush=True)
    asyncio.run(serving.serve(sockets=[listener]))


if __name__ == "__main__":
    main()
