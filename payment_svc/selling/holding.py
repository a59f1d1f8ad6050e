"""How a slot or a seat is held, and what the answer means."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mesh.errors import Refusal
from mesh.money import Money
from payment_svc.domain import Saga
from payment_svc.peers import call_peer, is_retryable

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from tutormesh.common.v1.money_pb2 import Money as MoneyMessage

T = TypeVar("T")


class Hold(Protocol):
    """The answer to a hold, of a slot or a seat."""

    @property
    def price(self) -> MoneyMessage: ...

    @property
    def expires_at(self) -> Timestamp: ...

    @property
    def seconds_left(self) -> float: ...


class RefusedInDoubt(Exception):
    """A hold was refused, but an earlier try may still hold the slot: the saga must release it."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.reason)


async def call_hold(saga: Saga, hold: Callable[[], Awaitable[T]]) -> T:
    """The answer to a hold. Raises its refusal when no earlier try can have got the hold, else RefusedInDoubt."""
    tries = 0

    async def count_and_hold() -> T:
        nonlocal tries
        tries += 1
        return await hold()

    try:
        return await call_peer(count_and_hold)
    except Refusal as refusal:
        if not is_retryable(refusal) and (saga.is_repeat or tries > 1):
            raise RefusedInDoubt(refusal) from refusal
        raise


def learn_hold(saga: Saga, hold: Hold, **facts: Any) -> Saga:
    """The saga with the price and the end of its hold, and other `facts` that the answer told.

    The hold's end counts in seconds from now, because the clocks of two databases differ.
    """
    learned = saga.learn(
        price=Money(hold.price.amount_minor, hold.price.currency),
        hold_expires_at=hold.expires_at.ToDatetime(UTC),
        hold_was_over=saga.purchase.hold_was_over or hold.seconds_left <= 0,
        **facts,
    )
    return replace(learned, hold_ends_monotonic=time.monotonic() + hold.seconds_left)
