"""The limits of a process: how many WebSockets it has, and how many subscriptions run on them."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from bff.graphql.websocket.messages import TRY_AGAIN_LATER, Closed
from bff.http.rate_limits import RateLimited
from bff.http.slow_clients import SlowClientLimit
from mesh.concurrency import ConcurrencyLimit
from mesh.errors import Overloaded

#: Connections at once, of all clients and of one person.
MAX_CONNECTIONS, MAX_PER_PERSON = 1000, 10
#: Subscriptions on all connections (booking_svc takes as many watchers), and of one person.
MAX_SUBSCRIPTIONS, MAX_SUBSCRIPTIONS_PER_PERSON = 1000, 20


@dataclass(slots=True)
class _Held:
    """The subscriptions of one person: for each what ends it, the oldest first."""

    ends: list[Callable[[], None]] = field(default_factory=list)


class SubscriptionLimit:
    """Bounds the subscriptions of one person and of all.

    When there are too many in all, the person who has most gives way: their oldest subscription ends. So a person with
    few is served, however many others have many.
    """

    def __init__(self, most: int = MAX_SUBSCRIPTIONS, most_per_person: int = MAX_SUBSCRIPTIONS_PER_PERSON) -> None:
        self._most, self._most_per_person = most, most_per_person
        self._people: dict[UUID, _Held] = {}
        self.taken = 0

    @contextlib.contextmanager
    def hold(self, person: UUID, end: Callable[[], None]) -> Iterator[None]:
        """Within the block the person has one subscription more; `end` is called when it has to give way.

        Raises RateLimited when the person has too many, and Overloaded when nobody has more than they.
        """
        held = self._people.get(person) or _Held()
        if len(held.ends) >= self._most_per_person:
            raise RateLimited(f"at most {self._most_per_person} subscriptions each")
        if self.taken >= self._most:
            self._make_way_for(held)
        self._people[person] = held
        held.ends.append(end)
        self.taken += 1
        try:
            yield
        finally:
            self._release(person, held, end)

    def _make_way_for(self, held: _Held) -> None:
        most = max(self._people.values(), key=lambda other: len(other.ends))
        if len(most.ends) <= len(held.ends) + 1:
            raise Overloaded
        end = most.ends[0]
        self._forget(most, end)
        end()

    def _release(self, person: UUID, held: _Held, end: Callable[[], None]) -> None:
        if end in held.ends:  # it has not given way
            self._forget(held, end)
        if not held.ends and self._people.get(person) is held:
            del self._people[person]

    def _forget(self, held: _Held, end: Callable[[], None]) -> None:
        held.ends.remove(end)
        self.taken -= 1


class ConnectionLimits:
    """One for all WebSocket endpoints of a process."""

    def __init__(
        self,
        max_connections: int = MAX_CONNECTIONS,
        max_per_person: int = MAX_PER_PERSON,
        subscriptions: SubscriptionLimit | None = None,
    ) -> None:
        self.connections = ConcurrencyLimit(max_connections)
        self.subscriptions = subscriptions or SubscriptionLimit()
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
