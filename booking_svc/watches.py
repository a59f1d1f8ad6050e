"""A watch: a booking as it is, then after each change, until it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from uuid import UUID

from booking_svc.bookings import Bookings
from booking_svc.changes import Changes
from booking_svc.domain import Booking
from mesh.errors import Overloaded, TryAgain

#: After a reconnect everybody reads at once; unary calls must still find a connection in the pool.
READS_AT_ONCE = 4
#: How long a watch bears with a database that is away (seconds before each further look), before its caller is told.
PAUSES = (0.1, 0.3, 1.0, 2.0, 4.0)


class Watches:
    """Watches of this process."""

    def __init__(self, bookings: Bookings, changes: Changes) -> None:
        self._bookings, self._changes = bookings, changes
        self._reads = asyncio.Semaphore(READS_AT_ONCE)

    async def of(self, booking_id: UUID) -> AsyncGenerator[Booking, None]:
        """The booking now and after each change; what changes faster than it is read is folded into the newest.

        Raises NotFound (also for another person's), Overloaded, TryAgain.
        """
        seen = 0
        with self._changes.watching(booking_id) as watcher:
            while True:
                await watcher.news()
                booking = await self._read(booking_id)
                if booking.version > seen:
                    seen = booking.version
                    yield booking
                if booking.has_ended:
                    return

    async def _read(self, booking_id: UUID) -> Booking:
        for pause in PAUSES:
            try:
                return await self._look(booking_id)
            except (TryAgain, Overloaded):
                await asyncio.sleep(pause)
        return await self._look(booking_id)

    async def _look(self, booking_id: UUID) -> Booking:
        async with self._reads:
            return await self._bookings.get(booking_id)
