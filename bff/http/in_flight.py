"""Requests in flight: of one caller few run at once, and the others wait for their turn."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Hashable
from dataclasses import dataclass, field

from bff.http.rate_limits import RateLimited
from mesh import calls
from mesh.errors import TryAgain

#: Of one caller: how many run at once, and how many are in flight, those that wait included (a burst and what follows it).
MAX_RUNNING, MAX_IN_FLIGHT = 20, 128
#: When so many of all callers are in flight, a caller gets no more than this: others must still get in.
CROWD, MAX_IN_CROWD = 128, 8


@dataclass(slots=True)
class _Line:
    """The requests of one caller."""

    running: asyncio.Semaphore
    in_flight: int = field(default=0)


class InFlightLimit:
    """Bounds what is in flight, for each caller."""

    def __init__(
        self,
        max_running: int = MAX_RUNNING,
        max_in_flight: int = MAX_IN_FLIGHT,
        crowd: int = CROWD,
        max_in_crowd: int = MAX_IN_CROWD,
    ) -> None:
        self._max_running, self._max_in_flight = max_running, max_in_flight
        self._crowd, self._max_in_crowd = crowd, max_in_crowd
        self._lines: dict[Hashable, _Line] = {}
        self.total = 0

    @contextlib.asynccontextmanager
    async def turn(self, caller: Hashable) -> AsyncIterator[None]:
        """The block runs when it is its turn. Raises RateLimited, and TryAgain when the current call's deadline passes."""
        line = self._enter(caller)
        try:
            await _acquire(line.running)
            try:
                yield
            finally:
                line.running.release()
        finally:
            self._leave(caller, line)

    def _enter(self, caller: Hashable) -> _Line:
        line = self._lines.get(caller) or _Line(asyncio.Semaphore(self._max_running))
        if line.in_flight >= (self._max_in_flight if self.total < self._crowd else self._max_in_crowd):
            raise RateLimited("too many of your requests are in flight; ask again in a moment")
        self._lines[caller] = line
        line.in_flight += 1
        self.total += 1
        return line

    def _leave(self, caller: Hashable, line: _Line) -> None:
        self.total -= 1
        line.in_flight -= 1
        if not line.in_flight:
            del self._lines[caller]


async def _acquire(running: asyncio.Semaphore) -> None:
    """Raises TryAgain once the deadline has passed."""
    calls.remaining()
    try:
        async with asyncio.timeout_at(calls.current().deadline):
            await running.acquire()
    except TimeoutError:
        raise TryAgain("the deadline has passed") from None
