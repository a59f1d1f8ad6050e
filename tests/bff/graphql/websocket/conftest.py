"""What the tests of WebSockets share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tutormesh.booking.v1 import booking_pb2


@pytest.fixture
def watched(script: Any, lesson: Any) -> Any:
    """A booking that awaits its payment for ever. The event is set when a watcher has left."""
    left = asyncio.Event()

    async def watch(_: object) -> AsyncIterator[Any]:
        async def changes() -> AsyncIterator[Any]:
            try:
                yield booking_pb2.WatchBookingResponse(booking=lesson.booking())
                await asyncio.Event().wait()
            finally:
                left.set()

        return changes()

    script.answers = lesson.answers() | {"WatchBooking": watch}
    return left
