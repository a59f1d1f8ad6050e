"""What the steps of every saga share: the services they call, how a call is repeated, and what a hold's answer means."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import stamina

from mesh import calls, clock
from mesh.errors import CallFailed, Overloaded, Refusal, TryAgain
from payment_svc.domain import Saga

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceAsyncStub
    from tutormesh.booking.v1.booking_pb2_grpc import BookingServiceAsyncStub
    from tutormesh.common.v1.money_pb2 import Money
    from tutormesh.learning.v1.learning_pb2_grpc import LearningServiceAsyncStub
    from tutormesh.session.v1.session_pb2_grpc import SessionServiceAsyncStub

STEP_SECONDS = 2.5
TRIES = 3
MOST_PAUSE_SECONDS = 0.5
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Peers:
    """The services that sagas call."""

    availability: AvailabilityServiceAsyncStub
    booking: BookingServiceAsyncStub
    session: SessionServiceAsyncStub
    learning: LearningServiceAsyncStub


class Held(Protocol):
    """The answer to a hold, of a slot or a seat."""

    @property
    def price(self) -> Money: ...

    @property
    def expires_at(self) -> Timestamp: ...

    @property
    def seconds_left(self) -> float: ...


def holding(saga: Saga, held: Held, **facts: Any) -> Saga:
    """The saga with its price and its hold, and whatever else the answer told."""
    knowing = saga.knowing(
        price={"amount_minor": held.price.amount_minor, "currency": held.price.currency},
        hold_expires_at=clock.iso(held.expires_at.ToDatetime(UTC)),
        **({"hold_is_over": True} if held.seconds_left <= 0 else {}),
        **facts,
    )
    return replace(knowing, hold_ends_monotonic=time.monotonic() + held.seconds_left)


class RefusedInDoubt(Exception):
    """A hold was refused, but an earlier try may have got it, or may still arrive: that has to be undone."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.reason)


async def held(saga: Saga, hold: Callable[[], Awaitable[T]]) -> T:
    """The answer to a hold. Raises its refusal when that is all there is to know, and RefusedInDoubt otherwise."""
    tries = 0

    async def counted() -> T:
        nonlocal tries
        tries += 1
        return await hold()

    try:
        return await asked(counted)
    except Refusal as refusal:
        if not is_retryable(refusal) and (saga.is_repeat or tries > 1):
            raise RefusedInDoubt(refusal) from refusal
        raise


def is_retryable(refusal: Refusal) -> bool:
    """A refusal that only says "not now": nobody knows what became of the call, or nothing did yet."""
    return refusal.reason in ("TRY_AGAIN", "OVERLOADED", "PAYMENT_PROVIDER_UNAVAILABLE", "UNAUTHENTICATED", "FORBIDDEN")


async def asked(call: Callable[[], Awaitable[T]]) -> T:
    """A peer's answer; asked again, under the same key, while its outcome is unknown.

    Three tries within the caller's deadline, with full jitter: each pause is anything between nothing and its most.
    """
    async for attempt in stamina.retry_context(
        on=_worth_repeating,
        attempts=TRIES,
        timeout=calls.remaining(),
        wait_initial=0,
        wait_max=MOST_PAUSE_SECONDS,
        wait_jitter=MOST_PAUSE_SECONDS,
    ):
        with attempt:
            return await call()
    raise AssertionError("the last try returns or raises")


def _worth_repeating(error: Exception) -> bool:
    if isinstance(error, CallFailed):
        return not error.definite
    return isinstance(error, TryAgain | Overloaded)
