"""The limits of a process: how many WebSockets it has, and how many subscriptions run on them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from uuid import UUID

from bff.http.rate_limits import RateLimited
from bff.http.slow_clients import MAX_IN_ALL, SlowClientLimit
from mesh.concurrency import ConcurrencyLimit
from mesh.errors import Overloaded

#: Connections of people at once: of all, and of one person.
MAX_CONNECTIONS, MAX_PER_PERSON = 1000, 10
#: Subscriptions on all connections (booking_svc takes as many watchers), and of one person.
MAX_SUBSCRIPTIONS, MAX_SUBSCRIPTIONS_PER_PERSON = 1000, 20


class FairLimit:
    """Bounds how many of something one person has, and all people together.

    When there are too many in all, the person who has most gives way: their oldest one ends. So a person with few is
    served, however many others have many.
    """

    def __init__(self, what: str, most: int, most_per_person: int) -> None:
        self._what, self._most, self._most_per_person = what, most, most_per_person
        self._people: dict[UUID, dict[asyncio.Timeout, None]] = {}  # of each person the oldest first
        self.taken = 0

    @contextlib.asynccontextmanager
    async def hold(self, person: UUID) -> AsyncIterator[None]:
        """Within the block the person has one more.

        Raises RateLimited when the person has too many. Raises Overloaded when nobody has more than they; and in the
        block, when it has to give way.
        """
        held = asyncio.timeout(None)
        try:
            async with held:
                self._add(person, held)
                try:
                    yield
                finally:
                    self._remove(person, held)
        except TimeoutError:
            if not held.expired():
                raise
            raise Overloaded from None

    def _add(self, person: UUID, held: asyncio.Timeout) -> None:
        own = len(self._people.get(person, ()))
        if own >= self._most_per_person:
            raise RateLimited(f"at most {self._most_per_person} {self._what} each")
        if self.taken >= self._most:
            self._make_way(own)
        self._people.setdefault(person, {})[held] = None
        self.taken += 1

    def _make_way(self, own: int) -> None:
        most = max(self._people, key=lambda person: len(self._people[person]))
        if len(self._people[most]) <= own + 1:
            raise Overloaded
        oldest = next(iter(self._people[most]))
        self._remove(most, oldest)
        oldest.reschedule(0)

    def _remove(self, person: UUID, held: asyncio.Timeout) -> None:
        """Once more changes nothing: what gave way leaves its block later."""
        holds = self._people.get(person, {})
        if held in holds:
            del holds[held]
            self.taken -= 1
            if not holds:
                del self._people[person]


class ConnectionLimits:
    """One for all WebSocket endpoints of a process."""

    def __init__(
        self,
        max_connections: int = MAX_CONNECTIONS,
        max_per_person: int = MAX_PER_PERSON,
        max_unknown: int = MAX_IN_ALL,
        subscriptions: FairLimit | None = None,
    ) -> None:
        #: All connections. There is room for those that have not yet said whose they are.
        self.connections = ConcurrencyLimit(max_connections + max_unknown)
        self.people = FairLimit("connections", max_connections, max_per_person)
        self.subscriptions = subscriptions or FairLimit(
            "subscriptions", MAX_SUBSCRIPTIONS, MAX_SUBSCRIPTIONS_PER_PERSON
        )
        #: Clients that have not yet sent connection_init.
        self.slow_clients = SlowClientLimit()
