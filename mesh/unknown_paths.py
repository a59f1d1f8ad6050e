"""Keeps a server of grpc.aio alive when a request's path is not UTF-8.

The main loop of grpcio's AioServer (1.85.1) decodes the path of each request for an RPC that is not registered. A path
that is not UTF-8 raises there, outside of any handler, and the server stops listening: one request without a token stops
a service. Our RPCs are all registered, as generated code does it. So the loop is given the other requests under a
registered name of our own, which nobody can guess, and answers them with UNIMPLEMENTED without looking at their path.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from grpc._cython import cygrpc  # type: ignore[attr-defined]


class _Server(cygrpc.AioServer):  # type: ignore[misc]
    def __init__(self, loop: asyncio.AbstractEventLoop, *rest: Any) -> None:
        super().__init__(loop, *rest)
        self._event_loop, self._unknown = loop, f"/{secrets.token_hex(16)}"
        self.add_registered_method_handlers({self._unknown: None})

    def _make_request_call_future(self, method: bytes | None) -> asyncio.Future[Any]:
        if method is None:
            return self._event_loop.create_future()  # never done: unknown RPCs come below
        if method == self._unknown.encode():
            method = None
        future: asyncio.Future[Any] = super()._make_request_call_future(method)
        return future


def refuse_them() -> None:
    """Make grpc.aio use this server from now on."""
    cygrpc.AioServer = _Server
