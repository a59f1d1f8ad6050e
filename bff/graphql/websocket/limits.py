"""The connection limits of a process: how many WebSockets it has, and how many operations run on them."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from uuid import UUID

from bff.graphql.websocket.messages import TRY_AGAIN_LATER, Closed
from bff.http.slow_clients import SlowClientLimit
from mesh.rooms import Room

#: Connections at once, of all clients and of one person; operations on all connections (booking_svc takes as many watchers).
MAX_CONNECTIONS, MAX_PER_PERSON, MAX_OPERATIONS = 1000, 10, 1000


class ConnectionLimits:
    """One for all WebSocket endpoints of a process."""

    def __init__(
        self,
        max_connections: int = MAX_CONNECTIONS,
        max_per_person: int = MAX_PER_PERSON,
        max_operations: int = MAX_OPERATIONS,
    ) -> None:
        self.connections, self.operations = Room(max_connections), Room(max_operations)
        #: Clients that have not yet sent connection_init.
        self.slow_clients = SlowClientLimit()
        self._max_per_person = max_per_person
        self._people: Counter[UUID] = Counter()

    @contextlib.contextmanager
    def count_connection(self, person: UUID) -> Iterator[None]:
        """Within the block the person has one connection more. Raises Closed (1013) when they have too many."""
        if self._people[person] >= self._max_per_person:
            raise Closed(TRY_AGAIN_LATER, f"At most {self._max_per_person} connections each")
        self._people[person] += 1
        try:
            yield
        finally:
            self._people[person] -= 1
            if not self._people[person]:
                del self._people[person]
