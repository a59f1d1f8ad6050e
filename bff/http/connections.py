"""The open connections of the process. When there are too many, whoever has most gives way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field

#: Connections, idle ones too. The limit on requests (middleware.py) is reached before, and answers with Retry-After.
MAX_CONNECTIONS = 4096


@dataclass(eq=False, slots=True)
class OpenConnection:
    """One connection, and whose it is: the client's address, or the person whose valid token came on it last."""

    transport: asyncio.Transport
    owner: Hashable
    #: No request is being served on it, so that closing it harms nobody.
    is_idle: Callable[[], bool]
    table: Connections
    #: Set when the server stops. A WebSocket then closes by itself.
    leaving: asyncio.Event = field(default_factory=asyncio.Event)

    def close(self) -> None:
        """It was closed."""
        self.table.remove(self)

    def belongs_to(self, owner: Hashable) -> None:
        """From now on it counts for this person."""
        self.table.move(self, owner)


class Connections:
    """Bounds the connections of a process. Nobody is refused while another one has more of them, and an idle one."""

    def __init__(self, most: int = MAX_CONNECTIONS) -> None:
        self._most, self.count = most, 0
        self._owners: dict[Hashable, dict[OpenConnection, None]] = {}

    def add(self, connection: OpenConnection) -> None:
        """Takes a new connection in. When that is one too many, an idle connection of whoever has most is closed."""
        self._owners.setdefault(connection.owner, {})[connection] = None
        self.count += 1
        if self.count > self._most:
            self._make_way_for(connection)

    def remove(self, connection: OpenConnection) -> None:
        """Forgets a connection that was closed; once more changes nothing."""
        owned = self._owners.get(connection.owner, {})
        if connection in owned:
            del owned[connection]
            self.count -= 1
            if not owned:
                del self._owners[connection.owner]

    def move(self, connection: OpenConnection, owner: Hashable) -> None:
        if connection.owner != owner and connection in self._owners.get(connection.owner, {}):
            self.remove(connection)
            connection.owner = owner
            self._owners.setdefault(owner, {})[connection] = None
            self.count += 1

    def _make_way_for(self, new: OpenConnection) -> None:
        """When nobody can give way, the new one stays, and its request is answered 503 (server.py)."""
        most = max(self._owners.values(), key=len)
        idle = _oldest_idle(most, new)
        if idle is None:
            found = (_oldest_idle(owned, new) for owned in sorted(self._owners.values(), key=len, reverse=True))
            idle = next(filter(None, found), None)
        if idle is not None:
            self.remove(idle)
            idle.transport.abort()  # `close` would wait for a client that does not read its last answer


def _oldest_idle(owned: Iterable[OpenConnection], new: OpenConnection) -> OpenConnection | None:
    return next((one for one in owned if one is not new and one.is_idle()), None)
