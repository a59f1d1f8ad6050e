"""How long the edge waits for what a client has yet to send, and for how many of them at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

#: Of one address; of all. Behind a proxy all are of one address.
MAX_EACH, MAX_WAITED_FOR = 64, 256


class Patience:
    """It is never refused to anybody: where too many are waited for, who has kept us waiting longest gives way.

    So whoever sends at once is served, however many others send nothing.
    """

    def __init__(self, each: int = MAX_EACH, most: int = MAX_WAITED_FOR) -> None:
        self._each, self._most = each, most
        self._waits: dict[asyncio.Timeout, str] = {}  # the longest first

    @contextlib.asynccontextmanager
    async def wait(self, address: str, seconds: float) -> AsyncIterator[None]:
        """Within the block a client of this address is waited for. Raises TimeoutError when it has to end."""
        async with asyncio.timeout(seconds) as limit:
            self._make_room(address)
            self._waits[limit] = address
            try:
                yield
            finally:
                self._waits.pop(limit, None)

    def _make_room(self, address: str) -> None:
        longest = list(self._waits)
        own = [limit for limit in longest if self._waits[limit] == address]
        if len(own) >= self._each:
            self._give_up(own[0])
        elif len(longest) >= self._most:
            self._give_up(longest[0])

    def _give_up(self, limit: asyncio.Timeout) -> None:
        del self._waits[limit]
        limit.reschedule(asyncio.get_running_loop().time())
