"""Slow clients: how many the edge waits for at once, of one person or address and of all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Hashable

MAX_PER_ADDRESS, MAX_IN_ALL = 64, 256


class SlowClientLimit:
    """Bounds the clients that have not yet sent all of what they must send.

    A new client is never refused. When the limit is reached, the client that has waited longest is closed. So a client
    that sends at once is served, however many others send nothing.
    """

    def __init__(self, max_per_address: int = MAX_PER_ADDRESS, max_in_all: int = MAX_IN_ALL) -> None:
        self._max_per_address, self._max_in_all = max_per_address, max_in_all
        self._waits: dict[asyncio.Timeout, Hashable] = {}  # the longest first

    @contextlib.asynccontextmanager
    async def wait_for(self, address: Hashable, seconds: float) -> AsyncIterator[None]:
        """The block waits for a client of this address. Raises TimeoutError in it when the client was too slow."""
        async with asyncio.timeout(seconds) as wait:
            self._close_slowest(address)
            self._waits[wait] = address
            try:
                yield
            finally:
                self._waits.pop(wait, None)

    def _close_slowest(self, address: Hashable) -> None:
        """Ends the longest wait, of this address or of all, when its limit is reached."""
        longest = list(self._waits)
        own = [wait for wait in longest if self._waits[wait] == address]
        if len(own) >= self._max_per_address:
            self._close(own[0])
        elif len(longest) >= self._max_in_all:
            self._close(longest[0])

    def _close(self, wait: asyncio.Timeout) -> None:
        del self._waits[wait]
        wait.reschedule(asyncio.get_running_loop().time())
