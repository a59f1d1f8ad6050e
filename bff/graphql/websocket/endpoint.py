"""WebSockets at /graphql: who may open one, and how many there may be."""

from __future__ import annotations

from collections.abc import Collection

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

from bff.graphql.operations import Operations
from bff.graphql.websocket.connection import Connection
from bff.graphql.websocket.limits import ConnectionLimits
from bff.graphql.websocket.messages import BAD_SUBPROTOCOL, SUBPROTOCOL
from bff.http.authentication import Authenticator
from bff.http.cors import may_connect
from mesh.errors import Overloaded


class GraphQLWebSocket:
    """The endpoint of GraphQL over WebSockets."""

    def __init__(
        self, operations: Operations, authenticator: Authenticator, limits: ConnectionLimits, origins: Collection[str]
    ) -> None:
        self._operations, self._authenticator = operations, authenticator
        self._limits, self._origins = limits, origins

    async def serve(self, websocket: WebSocket) -> None:
        """One connection, from its handshake to its end."""
        if not may_connect(websocket, self._origins):
            await websocket.close()  # before it is accepted: 403
            return
        try:
            self._limits.connections.enter()
        except Overloaded:
            await websocket.send_denial_response(JSONResponse({"error": "try again"}, 503, {"retry-after": "1"}))
            return
        try:
            await self._accept(websocket)
        finally:
            self._limits.connections.leave()

    async def _accept(self, websocket: WebSocket) -> None:
        if SUBPROTOCOL not in websocket["subprotocols"]:
            await websocket.accept()
            await websocket.close(BAD_SUBPROTOCOL, "Subprotocol not acceptable")
            return
        await websocket.accept(SUBPROTOCOL)
        await Connection(websocket, self._operations, self._authenticator, self._limits).serve()
