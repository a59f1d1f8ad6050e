"""A booking's changes, without a gap: a stream that breaks is taken up again where it broke."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from bff.peers import Peers
from mesh.channels import messages
from mesh.errors import CallFailed, Overloaded, Refusal, TryAgain
from mesh.logs import log
from tutormesh.booking.v1 import booking_pb2

#: A stream is begun anew after this long, so that it moves to replicas that came later.
STREAM_SECONDS = 300.0
#: How long one who has seen nothing yet waits for a service that is away; who has, waits on.
PATIENCE_SECONDS = 5.0
#: A stream tells the present state at once; one that does not is no stream.
FIRST_WORD_SECONDS = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
_ENDS = frozenset(
    {
        booking_pb2.BOOKING_STATUS_CANCELLED,
        booking_pb2.BOOKING_STATUS_PAYMENT_FAILED,
        booking_pb2.BOOKING_STATUS_EXPIRED,
    }
)


async def changes(peers: Peers, booking_id: str) -> AsyncGenerator[booking_pb2.Booking, None]:
    """The booking as it is, then after each change, until it has ended for good; no version twice, none after a newer.

    Each stream begins with the present state (WatchBooking), so nothing is missed between two of them. What changes
    faster than it is read is folded into the newest. Raises NotFound (also for another person's), Unauthenticated,
    BadInput, and what a service that is away fails with when nothing has been seen yet.
    """
    began, seen, pause = time.monotonic(), 0, FIRST_PAUSE
    while True:
        try:
            async with aclosing(_stream(peers, booking_id)) as stream:
                async for booking in stream:
                    if booking.version > seen:
                        seen, pause = booking.version, FIRST_PAUSE
                        yield booking
                    if booking.status in _ENDS:
                        return
        except (Refusal, CallFailed) as error:
            if not _is_passing(error) or (not seen and time.monotonic() - began > PATIENCE_SECONDS):
                raise
            log().info("watch_broken", error=str(error))
        await asyncio.sleep(random.uniform(0.5, 1) * pause)  # noqa: S311 - jitter, not a secret
        pause = min(2 * pause, LONGEST_PAUSE)


async def _stream(peers: Peers, booking_id: str) -> AsyncGenerator[booking_pb2.Booking, None]:
    """One call of WatchBooking, which ends when its reader leaves."""
    call = peers.booking.WatchBooking(booking_pb2.WatchBookingRequest(booking_id=booking_id), timeout=STREAM_SECONDS)
    try:
        async with aclosing(messages(call)) as replies:
            async with asyncio.timeout(FIRST_WORD_SECONDS):  # wait_for can lose a cancel (Python 3.11)
                reply = await anext(replies, None)
            while reply is not None:
                yield reply.booking
                reply = await anext(replies, None)
    except TimeoutError:
        raise TryAgain from None
    finally:
        call.cancel()


def _is_passing(error: Refusal | CallFailed) -> bool:
    return not error.definite if isinstance(error, CallFailed) else isinstance(error, TryAgain | Overloaded)
