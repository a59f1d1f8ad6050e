"""How many WebSockets a process bears, and how much runs on them."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from uuid import UUID

from bff.graphql.websocket.messages import TRY_AGAIN_LATER, Closed
from bff.http.slow_clients import Patience
from mesh.server import Room

#: Sockets at once, of everybody and of one person; and what runs on them all (booking_svc has room for as many watchers).
MAX_SOCKETS, MAX_SOCKETS_EACH, MAX_RUNNING = 1000, 10, 1000


class Seats:
    """Who sits where: the bounds of a process."""

    def __init__(self, most: int = MAX_SOCKETS, each: int = MAX_SOCKETS_EACH, running: int = MAX_RUNNING) -> None:
        self.sockets, self.running = Room(most), Room(running)
        self.strangers = Patience()
        self._each = each
        self._people: Counter[UUID] = Counter()

    @contextlib.contextmanager
    def of(self, person: UUID) -> Iterator[None]:
        """A seat of this person's, within the block. Raises Closed (1013) when they have too many."""
        if self._people[person] >= self._each:
            raise Closed(TRY_AGAIN_LATER, f"At most {self._each} connections each")
        self._people[person] += 1
        try:
            yield
        finally:
            self._people[person] -= 1
            if not self._people[person]:
                del self._people[person]
