"""One saga per wish, whatever is repeated: the way from an order to the saga that stands for it, or the refusal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mesh.errors import Refusal, TryAgain
from mesh.logs import log
from payment_svc.domain import (
    CourseOrder,
    IdempotencyMismatch,
    KeyUsed,
    OpenAlready,
    Order,
    ProviderUnavailable,
    Saga,
    State,
)
from payment_svc.engine.engine import Engine
from payment_svc.store import KeyStore


@dataclass(frozen=True, slots=True)
class Wish:
    """An order, and what its saga would begin with.

    `facts` must be the same for a key to mean the same request; `fits` raises what refuses an order for which the
    student's open saga does not stand.
    """

    order: Order | CourseOrder
    kind: str
    version: int
    things: tuple[str, ...]  # whose ids are allocated with the saga
    context: dict[str, Any]
    facts: tuple[Any, ...]
    fits: Callable[[Saga], None]

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(json.dumps(self.facts).encode()).digest()


@dataclass(frozen=True, slots=True)
class Wishes:
    """Grants wishes of every kind."""

    engine: Engine
    keys: KeyStore
    new_id: Callable[[], UUID]

    async def granted(self, wish: Wish) -> Saga:
        """The wish's saga once it can be paid, is complete, or has ended.

        Raises the refusal of its first step, IdempotencyMismatch, ProviderUnavailable, TryAgain, Overloaded.
        """
        self.engine.admit()
        while True:
            saga, is_ours = await self._begun_or_found(wish)
            if saga is None:
                continue
            if is_ours:
                self.engine.start(saga)
            saga = await self.engine.settle(saga.id, _can_be_answered)
            if saga.state is State.REJECTED and not is_ours:
                continue  # the wish of another request was refused; its key is free again, and this one asks itself
            return _answered(saga)

    async def _begun_or_found(self, wish: Wish) -> tuple[Saga | None, bool]:
        """A new saga, or the one that stands for this wish already; neither when the way has just become free."""
        ids = {name: self.new_id() for name in ("id", *wish.things)}
        try:
            begun = await self.engine.store.begin(
                wish.order,
                kind=wish.kind,
                version=wish.version,
                ids=ids,
                digest=wish.digest,
                context=wish.context,
            )
        except KeyUsed:
            return await self._by_key(wish), False
        except OpenAlready:
            return await self._by_key(wish) or await self._open_one(wish), False
        return begun, True

    async def _by_key(self, wish: Wish) -> Saga | None:
        order = wish.order
        found = await self.keys.saga_of(order.student_id, order.key) if order.key else None
        if found is None:
            return None
        saga, first_hash, is_old = found
        if is_old or saga.never_booked:
            await self.keys.forget(order, saga.id)
            return None
        if first_hash != wish.digest:
            raise IdempotencyMismatch
        return saga

    async def _open_one(self, wish: Wish) -> Saga | None:
        saga = await self.engine.store.open_for(wish.order)
        if saga is None:
            return None
        if saga.state is State.COMPENSATING or (saga.state is State.AWAITING_PAYMENT and saga.hold_is_over):
            ended = await self.engine.settle(saga.id, lambda row: row.is_complete or row.state is State.BOOKING_SESSION)
            if not ended.is_complete:
                raise TryAgain
            return None
        if saga.state is State.PARKED:
            raise TryAgain
        wish.fits(saga)
        if wish.order.key:
            await self.keys.remember(wish.order, saga.id, wish.digest)
        return saga


def _can_be_answered(saga: Saga) -> bool:
    """What is free is answered when it is complete, anything else once it can be paid."""
    if saga.state is State.AWAITING_AVAILABILITY:
        return False
    is_free = saga.price is not None and saga.price.amount_minor == 0
    return saga.is_complete or not is_free


def _answered(saga: Saga) -> Saga:
    if saga.state is State.REJECTED:
        raise _refusal(saga)
    is_open = saga.state in (State.AWAITING_AVAILABILITY, State.PARKED) or not _can_be_answered(saga)
    if is_open or saga.never_booked:
        log().warning("not_opened_in_time", kind=saga.kind, saga_id=str(saga.id), error=saga.error)
        waits_for_provider = (saga.error or {}).get("reason") == ProviderUnavailable.reason
        raise ProviderUnavailable if waits_for_provider else TryAgain
    return saga


def _refusal(saga: Saga) -> Refusal:
    """The refusal that the row keeps."""
    return Refusal.known(**(saga.error or {}))
