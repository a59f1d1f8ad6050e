"""Watches: a stream of a booking, as it is now and then after each change, until it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from uuid import UUID

from booking_svc.bookings import Bookings
from booking_svc.changes import Changes
from booking_svc.domain import Booking
from mesh.errors import Overloaded, TryAgain

#: After a reconnect every watcher reads at once. This limit leaves connections of the pool to unary calls.
READS_AT_ONCE = 4
#: Seconds before each further read while the database is away. After the last one the caller gets the refusal.
PAUSES = (0.1, 0.3, 1.0, 2.0, 4.0)


class Watches:
    """The watches of this process."""

    def __init__(self, bookings: Bookings, changes: Changes) -> None:
        self._bookings, self._changes = bookings, changes
        self._reads = asyncio.Semaphore(READS_AT_ONCE)

    async def watch(self, booking_id: UUID) -> AsyncGenerator[Booking, None]:
        """Yield the booking now and after each change. Several changes between two reads yield once, as the newest.

        Raises NotFound (also for another person's), Overloaded, TryAgain.
        """
        seen = 0
        with self._changes.watch(booking_id) as watcher:
            while True:
                await watcher.wait_for_change()
                booking = await self._read(booking_id)
                if booking.version > seen:
                    seen = booking.version
                    yield booking
                if booking.has_ended:
                    return

    async def _read(self, booking_id: UUID) -> Booking:
        for pause in PAUSES:
            try:
                return await self._read_once(booking_id)
            except (TryAgain, Overloaded):
                await asyncio.sleep(pause)
        return await self._read_once(booking_id)

    async def _read_once(self, booking_id: UUID) -> Booking:
        async with self._reads:
            return await self._bookings.get(booking_id)
