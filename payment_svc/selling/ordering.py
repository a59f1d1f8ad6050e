"""One saga per order, whatever is repeated: from an order to the saga that stands for it, or to the refusal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mesh import about
from mesh.errors import TryAgain
from mesh.logs import log
from payment_svc.domain import (
    IdempotencyMismatch,
    KeyUsed,
    OpenAlready,
    Order,
    ProviderUnavailable,
    PurchaseFacts,
    Saga,
    State,
)
from payment_svc.engine.engine import Engine
from payment_svc.store import KeyStore, SagaStore


@dataclass(frozen=True, slots=True)
class NewSaga:
    """The saga that an order asks for.

    Two requests under one idempotency key are the same request when their `fingerprint` is the same. `check_fits`
    raises a refusal when the student's open saga is for another order.
    """

    order: Order
    kind: str
    version: int
    makes: tuple[str, ...]  # what gets an id with the saga: sold, session, payment
    facts: PurchaseFacts
    fingerprint: tuple[Any, ...]
    check_fits: Callable[[Saga], None]

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(json.dumps(self.fingerprint).encode()).digest()


@dataclass(frozen=True, slots=True)
class Ordering:
    """Starts the sagas of orders, of every kind."""

    engine: Engine
    sagas: SagaStore
    keys: KeyStore
    new_id: Callable[[], UUID]

    async def start_or_join(self, new: NewSaga) -> Saga:
        """The order's saga once it can be paid, is complete, or has ended.

        Raises the refusal of its first step, IdempotencyMismatch, ProviderUnavailable, TryAgain, Overloaded.
        """
        self.engine.refuse_when_full()
        while True:
            saga, is_ours = await self._begin_or_find(new)
            if saga is None:
                continue
            about.bind(saga.ids)
            if is_ours:
                self.engine.start(saga)
            saga = await self.engine.wait_until(saga.id, _can_be_answered)
            if saga.state is State.REJECTED and not is_ours:
                continue  # another request was refused, which freed its key: this one asks for itself
            return _answer(saga)

    async def _begin_or_find(self, new: NewSaga) -> tuple[Saga | None, bool]:
        """A new saga (True), or the one that stands for this order (False). None when that one has gone: try again."""
        ids = {name: self.new_id() for name in ("id", *new.makes)}
        try:
            begun = await self.sagas.begin(
                new.order, kind=new.kind, version=new.version, ids=ids, digest=new.digest, facts=new.facts
            )
        except KeyUsed:
            return await self._find_by_key(new), False
        except OpenAlready:
            return await self._find_by_key(new) or await self._find_open(new), False
        return begun, True

    async def _find_by_key(self, new: NewSaga) -> Saga | None:
        order = new.order
        found = await self.keys.saga_of(order.student_id, order.key) if order.key else None
        if found is None:
            return None
        saga, first_digest, is_old = found
        if is_old or saga.was_never_booked:
            await self.keys.forget(order, saga.id)
            return None
        if first_digest != new.digest:
            raise IdempotencyMismatch
        return saga

    async def _find_open(self, new: NewSaga) -> Saga | None:
        saga = await self.sagas.open_for(new.order)
        if saga is None:
            return None
        if saga.state is State.COMPENSATING or (saga.state is State.AWAITING_PAYMENT and saga.hold_is_over):
            ended = await self.engine.wait_until(
                saga.id, lambda row: row.is_complete or row.state is State.BOOKING_SESSION
            )
            if not ended.is_complete:
                raise TryAgain
            return None
        if saga.state is State.PARKED:
            raise TryAgain
        new.check_fits(saga)
        if new.order.key:
            await self.keys.remember(new.order, saga.id, new.digest)
        return saga


def _can_be_answered(saga: Saga) -> bool:
    """A free purchase is answered once it is complete, any other once it can be paid."""
    if saga.state is State.AWAITING_AVAILABILITY:
        return False
    return saga.is_complete or not saga.is_free


def _answer(saga: Saga) -> Saga:
    if saga.state is State.REJECTED and saga.error is not None:
        raise saga.error.to_refusal()
    is_open = saga.state in (State.AWAITING_AVAILABILITY, State.PARKED) or not _can_be_answered(saga)
    if is_open or saga.was_never_booked:
        error = saga.error
        log().warning(
            "not_opened_in_time",
            kind=saga.kind,
            saga_id=str(saga.id),
            error=error and f"{error.reason}: {error.message}",
        )
        waits_for_provider = error is not None and error.reason == ProviderUnavailable.reason
        raise ProviderUnavailable if waits_for_provider else TryAgain
    return saga
