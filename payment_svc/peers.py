"""The services that sagas call, and how a call to one of them is repeated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import stamina
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from mesh import calls
from mesh.errors import CallFailed, Overloaded, Refusal, TryAgain, describe
from mesh.logs import log

if TYPE_CHECKING:
    from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceAsyncStub
    from tutormesh.booking.v1.booking_pb2_grpc import BookingServiceAsyncStub
    from tutormesh.learning.v1.learning_pb2_grpc import LearningServiceAsyncStub
    from tutormesh.session.v1.session_pb2_grpc import SessionServiceAsyncStub

STEP_SECONDS = 2.5
TRIES = 3
MOST_PAUSE_SECONDS = 0.5
#: Refusals that only say "not now": nobody knows what became of the call, or nothing did yet.
RETRYABLE_REASONS = frozenset("TRY_AGAIN OVERLOADED PAYMENT_PROVIDER_UNAVAILABLE UNAUTHENTICATED FORBIDDEN".split())
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Peers:
    """The stubs of the services that sagas call."""

    availability: AvailabilityServiceAsyncStub
    booking: BookingServiceAsyncStub
    session: SessionServiceAsyncStub
    learning: LearningServiceAsyncStub


def is_retryable(refusal: Refusal) -> bool:
    """True when the same call may be answered otherwise later."""
    return refusal.reason in RETRYABLE_REASONS


async def call_peer(call: Callable[[], Awaitable[T]]) -> T:
    """A peer's answer. The call is repeated, under the same key, while its outcome is unknown.

    Three tries within the caller's deadline, with full jitter: each pause is between nothing and half a second.
    """
    left = calls.remaining()
    try:
        return await call()
    except Exception as error:
        if not _is_worth_repeating(error):
            raise
        return await _repeat(call, error, left)


async def _repeat(call: Callable[[], Awaitable[T]], failed: Exception, seconds: float | None) -> T:
    """The later tries of a call that has failed. What stamina needs for them is built for such a call alone."""
    first = [failed]
    async for attempt in stamina.retry_context(
        on=_is_worth_repeating,
        attempts=TRIES,
        timeout=seconds,
        wait_initial=0,
        wait_max=MOST_PAUSE_SECONDS,
        wait_jitter=MOST_PAUSE_SECONDS,
    ):
        with attempt:
            if first:
                raise first.pop()
            return await call()
    raise AssertionError("the last try returns or raises")


def _log_repeat(details: RetryDetails) -> None:
    log().warning("call_repeated", tries=details.retry_num, in_seconds=details.wait_for, **describe(details.caused_by))


#: Stamina's own lines name the function that is repeated, which is always the same one here.
set_on_retry_hooks([_log_repeat])


def _is_worth_repeating(error: Exception) -> bool:
    if isinstance(error, CallFailed):
        return not error.definite
    return isinstance(error, TryAgain | Overloaded)
