"""`python -m devkit.sandbox`: serve until SIGTERM or SIGINT."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys

import uvicorn
import uvloop

from devkit.sandbox.app import build
from devkit.sandbox.settings import InvalidSetting, Settings, load

# New containers before garbage is looked for. Python's own value is 700, which a payment passes.
_YOUNG = 5_000
# Seconds; longer than any client keeps an idle connection, so that the server never closes one just before its use.
_KEEP_ALIVE = 120


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket with TCP_NODELAY; without it each small answer waits 40 ms."""
    listener = socket.create_server((host, port), backlog=512)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def make_server(settings: Settings) -> uvicorn.Server:
    """An HTTP server for the sandbox. It ends within 2 s of a signal, whatever its clients do."""
    return uvicorn.Server(
        uvicorn.Config(
            build(settings),
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
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
    serving = make_server(settings)
    gc.freeze()
    gc.set_threshold(_YOUNG)
    # uvicorn handles the signals while it serves and raises them again afterwards. These handlers make it end with 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: setattr(serving, "should_exit", True))
    print(f"Stripe sandbox on http://{settings.host}:{settings.port}", flush=True)
    uvloop.run(serving.serve(sockets=[listener]))


if __name__ == "__main__":
    main()
