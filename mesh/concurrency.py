"""Limits on how many RPCs may be in a server at once: of identified services, of callers not yet known, of everybody."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import grpc

from mesh.errors import Overloaded

Context = grpc.aio.ServicerContext[Any, Any]


class ConcurrencyLimit:
    """A limit on how many may be inside at once. Entering a full one raises Overloaded."""

    def __init__(self, most: int) -> None:
        self.most, self.taken = most, 0

    def enter(self) -> None:
        if self.taken >= self.most:
            raise Overloaded
        self.taken += 1

    def leave(self) -> None:
        self.taken -= 1

    def __enter__(self) -> None:
        self.enter()

    def __exit__(self, *_: object) -> None:
        self.leave()


class AddressLimit:
    """A limit in all, and one for each address. Entering beyond either raises Overloaded."""

    def __init__(self, most: int, most_each: int) -> None:
        self._all, self._most_each = ConcurrencyLimit(most), most_each
        self._each: Counter[str] = Counter()

    @contextlib.contextmanager
    def enter(self, context: Context) -> Iterator[None]:
        address = context.peer().rpartition(":")[0]
        if self._each[address] >= self._most_each:
            raise Overloaded
        with self._all:
            self._each[address] += 1
            try:
                yield
            finally:
                _subtract(self._each, address)


class PublicLimit:
    """Places for RPCs that need no token. When all are taken, the connection with most places gives up its oldest.

    So nobody can shut others out, and a peer that has one place keeps it. A connection beyond its own share gets
    Overloaded. An RPC counts towards that share until it has really ended: its client may refuse to take the answer.
    """

    def __init__(self, most: int, most_each: int) -> None:
        self._most, self._most_each = most, most_each
        self._unended: Counter[str] = Counter()
        self._places: dict[str, dict[asyncio.Timeout, None]] = {}
        self.taken = 0

    @contextlib.asynccontextmanager
    async def enter(self, context: Context, seconds: float | None) -> AsyncIterator[None]:
        """Within this block the RPC has a place, for so many seconds at most. Raises Overloaded at their end too."""
        connection = context.peer()
        if self._unended[connection] >= self._most_each:
            raise Overloaded
        if self.taken >= self._most:
            self._give_up_oldest()
        self._unended[connection] += 1
        context.add_done_callback(partial(_subtract, self._unended, connection))  # type: ignore[arg-type]
        try:
            async with asyncio.timeout(seconds) as place:
                self._add(connection, place)
                try:
                    yield
                finally:
                    self._remove(connection, place)
        except TimeoutError:
            raise Overloaded from None

    def _give_up_oldest(self) -> None:
        connection = max(self._places, key=lambda name: len(self._places[name]))
        oldest = next(iter(self._places[connection]))
        self._remove(connection, oldest)
        oldest.reschedule(asyncio.get_running_loop().time())

    def _add(self, connection: str, place: asyncio.Timeout) -> None:
        self._places.setdefault(connection, {})[place] = None
        self.taken += 1

    def _remove(self, connection: str, place: asyncio.Timeout) -> None:
        places = self._places.get(connection, {})
        if place in places:
            del places[place]
            self.taken -= 1
        if not places:
            self._places.pop(connection, None)


def _subtract(counts: Counter[str], name: str, _: object = None) -> None:
    counts[name] -= 1
    if counts[name] <= 0:
        del counts[name]
