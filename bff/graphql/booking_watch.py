"""The changes of a booking or an enrollment without a gap: a stream that breaks is opened again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Protocol, TypeVar

from bff.peers import Peers
from mesh.channels import messages
from mesh.errors import CallFailed, Overloaded, Refusal, TryAgain, describe
from mesh.logs import log
from tutormesh.booking.v1 import booking_pb2
from tutormesh.learning.v1 import learning_pb2

#: A stream is opened anew after so long, so that it moves to replicas that started later.
STREAM_SECONDS = 300.0
#: A subscriber who has seen nothing yet waits so long for a service that is away. Later there is no limit.
FIRST_ANSWER_SECONDS = 5.0
#: A healthy stream sends the present state at once; one that sends nothing for so long is given up.
FIRST_MESSAGE_SECONDS = 5.0
MIN_BACKOFF, MAX_BACKOFF = 0.1, 5.0
_FINAL_OF_BOOKING = frozenset(
    {
        booking_pb2.BOOKING_STATUS_CANCELLED,
        booking_pb2.BOOKING_STATUS_PAYMENT_FAILED,
        booking_pb2.BOOKING_STATUS_EXPIRED,
    }
)
_FINAL_OF_ENROLLMENT = frozenset(
    {
        learning_pb2.ENROLLMENT_STATUS_CANCELLED,
        learning_pb2.ENROLLMENT_STATUS_PAYMENT_FAILED,
        learning_pb2.ENROLLMENT_STATUS_EXPIRED,
    }
)


class Watched(Protocol):
    """A booking or an enrollment."""

    status: Any
    version: int


Record = TypeVar("Record", bound=Watched)
#: Opens a stream of a peer's that lasts so many seconds.
Open = Callable[[float], Any]


def watch_booking(peers: Peers, booking_id: str) -> AsyncGenerator[booking_pb2.Booking, None]:
    """The booking as it is, then after each change, until it has ended for good: see `_watch`."""
    request = booking_pb2.WatchBookingRequest(booking_id=booking_id)
    return _watch(
        lambda seconds: peers.booking.WatchBooking(request, timeout=seconds),
        lambda reply: reply.booking,
        _FINAL_OF_BOOKING,
    )


def watch_enrollment(peers: Peers, enrollment_id: str) -> AsyncGenerator[learning_pb2.Enrollment, None]:
    """The same of an enrollment."""
    request = learning_pb2.WatchEnrollmentRequest(enrollment_id=enrollment_id)
    return _watch(
        lambda seconds: peers.learning.WatchEnrollment(request, timeout=seconds),
        lambda reply: reply.enrollment,
        _FINAL_OF_ENROLLMENT,
    )


async def _watch(open_call: Open, read: Callable[[Any], Record], final: frozenset[int]) -> AsyncGenerator[Record, None]:
    """The record as it is, then after each change, until it has ended for good. Versions only grow.

    Each stream begins with the present state, so no change between two streams is missed. Changes that come faster than
    they are read are folded into the newest. Raises NotFound (another person's too), Unauthenticated, BadInput, and the
    failure of a service that is away before anything was seen.
    """
    began, seen, backoff = time.monotonic(), 0, MIN_BACKOFF
    while True:
        try:
            async with aclosing(_open_stream(open_call)) as stream:
                async for reply in stream:
                    record = read(reply)
                    if record.version > seen:
                        seen, backoff = record.version, MIN_BACKOFF
                        yield record
                    if record.status in final:
                        return
        except (Refusal, CallFailed) as error:
            if not _is_transient(error) or (not seen and time.monotonic() - began > FIRST_ANSWER_SECONDS):
                raise
            log().info("watch_broken", **describe(error))
        await asyncio.sleep(random.uniform(0.5, 1) * backoff)  # noqa: S311 - jitter, not a secret
        backoff = min(2 * backoff, MAX_BACKOFF)


async def _open_stream(open_call: Open) -> AsyncGenerator[Any, None]:
    """The replies of one call. It ends when its reader leaves."""
    call = open_call(STREAM_SECONDS)
    try:
        async with aclosing(messages(call)) as replies:
            async with asyncio.timeout(FIRST_MESSAGE_SECONDS):  # wait_for can lose a cancel (Python 3.11)
                reply = await anext(replies, None)
            while reply is not None:
                yield reply
                reply = await anext(replies, None)
    except TimeoutError:
        raise TryAgain from None
    finally:
        call.cancel()


def _is_transient(error: Refusal | CallFailed) -> bool:
    return not error.definite if isinstance(error, CallFailed) else isinstance(error, TryAgain | Overloaded)
