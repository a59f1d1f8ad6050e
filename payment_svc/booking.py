"""BookSession: one saga per wish, whatever is repeated. Gives the booking to pay for, or the refusal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mesh.errors import BadInput, Refusal, TryAgain
from mesh.logs import log
from payment_svc.domain import (
    AmountMismatch,
    AskedPrice,
    CourseNotFound,
    IdempotencyMismatch,
    KeyUsed,
    Order,
    ProviderUnavailable,
    Saga,
    SlotOpen,
    SlotTaken,
    State,
)
from payment_svc.sagas.book_and_pay import KIND, VERSION, ids
from payment_svc.sagas.engine import Engine


@dataclass(frozen=True, slots=True)
class Purchasing:
    """The use case. `policy` is the cancellation policy that is frozen at purchase."""

    engine: Engine
    policy: str
    new_id: Callable[[], UUID]
    version: int = VERSION

    async def book(self, order: Order) -> Saga:
        """The saga of this order once its booking can be paid, is confirmed, or has ended.

        Raises the refusal of the slot, IdempotencyMismatch, CourseNotFound, BadInput, ProviderUnavailable, TryAgain,
        Overloaded.
        """
        if order.student_id == order.tutor_id:
            raise BadInput("the tutor cannot be the student", field="tutor_id")
        if order.course_id is not None:  # no service owns courses yet
            raise CourseNotFound
        self.engine.admit()
        while True:
            saga, is_ours = await self._begun_or_found(order)
            if saga is None:
                continue
            if is_ours:
                self.engine.start(saga)
            saga = await self.engine.settle(saga.id, _can_be_answered)
            if saga.state is State.REJECTED and not is_ours:
                continue  # the wish of another request was refused; its key is free again, and this one asks itself
            return _answered(saga)

    async def _begun_or_found(self, order: Order) -> tuple[Saga | None, bool]:
        """A new saga, or the one that stands for this order already; neither when the way has just become free."""
        digest = request_hash(order)
        context = {
            "course_id": None,
            "purpose": order.purpose,
            "policy": self.policy,
            **({"asked_price": order.price.kept()} if order.price is not None else {}),
        }
        try:
            new = ids(self.new_id)
            begun = await self.engine.store.begin(
                order, kind=KIND, version=self.version, ids=new, digest=digest, context=context
            )
        except KeyUsed:
            return await self._by_key(order, digest), False
        except SlotOpen:
            return await self._by_key(order, digest) or await self._by_slot(order, digest), False
        return begun, True

    async def _by_key(self, order: Order, digest: bytes) -> Saga | None:
        found = await self.engine.store.by_key(order.student_id, order.key) if order.key else None
        if found is None:
            return None
        saga, first_hash, is_old = found
        if is_old or saga.never_booked:
            await self.engine.store.forget_key(order, saga.id)
            return None
        if first_hash != digest:
            raise IdempotencyMismatch
        return saga

    async def _by_slot(self, order: Order, digest: bytes) -> Saga | None:
        saga = await self.engine.store.by_slot(order)
        if saga is None:
            return None
        if saga.state is State.COMPENSATING or (saga.state is State.AWAITING_PAYMENT and saga.hold_is_over):
            ended = await self.engine.settle(saga.id, lambda row: row.is_complete or row.state is State.BOOKING_SESSION)
            if not ended.is_complete:
                raise TryAgain
            return None
        if saga.state is State.PARKED:
            raise TryAgain
        if saga.minutes != order.minutes:
            raise SlotTaken
        if order.price is not None:
            await self._must_cost(saga, order.price)
        if order.key:
            await self.engine.store.remember_key(order, saga.id, digest)
        return saga

    async def _must_cost(self, saga: Saga, asked: AskedPrice) -> None:
        """Raises AmountMismatch when an open booking was made at another price, TryAgain while that is not known."""
        if saga.price is None:
            saga = await self.engine.settle(saga.id, _can_be_answered)
        if saga.price is None:
            raise TryAgain
        if asked.settled(saga.price) != saga.price:
            raise AmountMismatch("the booking was made at another price", field="price")


def request_hash(order: Order) -> bytes:
    """What must be the same for a key to mean the same request."""
    facts: list[Any] = [
        str(order.tutor_id),
        order.start.isoformat(),
        order.minutes,
        str(order.course_id),
        order.purpose,
    ]
    if order.price is not None:
        facts.append([order.price.amount, order.price.currency])
    return hashlib.sha256(json.dumps(facts).encode()).digest()


def _can_be_answered(saga: Saga) -> bool:
    """A free lesson is answered when it is confirmed, any other once it can be paid."""
    if saga.state is State.AWAITING_AVAILABILITY:
        return False
    is_free = saga.price is not None and saga.price.amount_minor == 0
    return saga.is_complete or not is_free


def _answered(saga: Saga) -> Saga:
    if saga.state is State.REJECTED:
        raise _refusal(saga)
    is_open = saga.state in (State.AWAITING_AVAILABILITY, State.PARKED) or not _can_be_answered(saga)
    if is_open or saga.never_booked:
        log().warning("booking_not_opened_in_time", saga_id=str(saga.id), error=saga.error)
        waits_for_provider = (saga.error or {}).get("reason") == ProviderUnavailable.reason
        raise ProviderUnavailable if waits_for_provider else TryAgain
    return saga


def _refusal(saga: Saga) -> Refusal:
    """The refusal that the row keeps."""
    return Refusal.known(**(saga.error or {}))
