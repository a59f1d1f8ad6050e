"""WebSockets at /graphql: who may open one, and how many there may be."""

from __future__ import annotations

from collections.abc import Collection

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

from bff.graphql.operations import Operations
from bff.graphql.websocket.connection import Conversation
from bff.graphql.websocket.limits import Seats
from bff.graphql.websocket.messages import BAD_SUBPROTOCOL, SUBPROTOCOL
from bff.http.authentication import Admission
from bff.http.cors import may_connect
from mesh.errors import Overloaded


class SocketDoor:
    """GraphQL over WebSockets."""

    def __init__(
        self, operations: Operations, admission: Admission, origins: Collection[str], seats: Seats | None = None
    ) -> None:
        self._operations, self._admission, self._origins = operations, admission, origins
        self.seats = seats or Seats()

    async def serve(self, websocket: WebSocket) -> None:
        """One connection, from its handshake to its end."""
        if not may_connect(websocket, self._origins):
            await websocket.close()  # before it is accepted: 403
            return
        try:
            self.seats.sockets.enter()
        except Overloaded:
            await websocket.send_denial_response(JSONResponse({"error": "try again"}, 503, {"retry-after": "1"}))
            return
        try:
            await self._accepted(websocket)
        finally:
            self.seats.sockets.leave()

    async def _accepted(self, websocket: WebSocket) -> None:
        if SUBPROTOCOL not in websocket["subprotocols"]:
            await websocket.accept()
            await websocket.close(BAD_SUBPROTOCOL, "Subprotocol not acceptable")
            return
        await websocket.accept(SUBPROTOCOL)
        await Conversation(websocket, self._operations, self._admission, self.seats).run()
