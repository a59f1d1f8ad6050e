"""Taking back what was sold: a saga of its own that only goes forward, first the thing itself, then the money.

The decision and its refund were committed with the saga, before anybody was asked (payment_svc/cancelling.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from uuid import UUID

from mesh.errors import IllegalMove, Refusal
from payment_svc.domain import GiveBack, Move, RefundStatus, Saga, State
from payment_svc.providers.refunds import Refunds
from payment_svc.selling.purchase import StillOwed, ending, has_ended
from payment_svc.store import RefundStore, SagaStore


@dataclass(frozen=True, slots=True)
class TakeBack:
    """A saga that takes back. The first of its steps may refuse with IllegalMove, and then nothing is taken back."""

    kind: str
    version: int
    steps: tuple[Callable[[Saga], Awaitable[None]], ...]


class TakingBack:
    """The one phase of every cancel."""

    def __init__(self, definition: TakeBack, sagas: SagaStore, refunds: RefundStore, giving: Refunds) -> None:
        self.definition, self.kind, self.version = definition, definition.kind, definition.version
        self._sagas, self._refunds, self._giving = sagas, refunds, giving

    async def advance(self, saga: Saga) -> Move:
        """Raises StillOwed while the money is on its way."""
        return await self._pay_back(saga) if has_ended(saga) else await self._end(saga)

    async def _end(self, saga: Saga) -> Move:
        first, *others = self.definition.steps
        try:
            await first(saga)
        except IllegalMove as refusal:  # it took place meanwhile, or has ended otherwise
            return await self._withdrawn(saga, refusal)
        for step in others:
            await step(saga)
        if give_back(saga) is None:
            return Move(saga, State.CANCELLED, "cancelled", tells=State.CANCELLED)
        return replace(ending(saga, State.CANCELLED), event="cancelled")

    async def _pay_back(self, saga: Saga) -> Move:
        wish = give_back(saga)
        assert wish is not None
        purchase = await self._sagas.get(purchase_of(saga))
        assert purchase is not None
        if await self._giving.give_back(purchase, wish, saga.context["received_minor"]) is not RefundStatus.SUCCEEDED:
            raise StillOwed
        return Move(saga, State.REFUNDED, "refunded")

    async def _withdrawn(self, saga: Saga, refusal: Refusal) -> Move:
        wish = give_back(saga)
        for refund in await self._refunds.of_intent(wish.intent_id) if wish else ():
            if wish is not None and refund.id == wish.refund_id(0):
                await self._refunds.withdraw(refund)
        error = {"code": "FAILED_PRECONDITION", "reason": "NOT_CANCELLABLE", "message": refusal.message, "field": ""}
        return Move(saga, State.REJECTED, "rejected", refusal.reason, error=error)


def give_back(saga: Saga) -> GiveBack | None:
    """What the cancel decided to give back; None when nothing is due."""
    due = saga.refund_due
    if due is None or not due.amount_minor:
        return None
    return GiveBack(f"cancel:{saga.id}", saga.context["intent_id"], due, "cancelled")


def purchase_of(saga: Saga) -> UUID:
    """The saga that a cancel takes back."""
    return UUID(saga.context["purchase_id"])
