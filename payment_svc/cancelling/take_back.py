"""The cancel of a completed purchase: a saga of its own that only goes forward, first the thing itself, then the money.

The decision and its refund were committed with the saga, before anybody was asked (cancelling/cancel.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mesh.errors import IllegalMove, Refusal
from payment_svc.domain import RefundGivenUp, RefundStatus, Saga, SagaError, State, StillOwed, Transition
from payment_svc.domain.owed import owed_by_cancel
from payment_svc.engine.definition import Halted
from payment_svc.peers import Peers
from payment_svc.providers.refunds import Refunds
from payment_svc.selling.transitions import announce_end
from payment_svc.store import RefundStore, SagaStore


@dataclass(frozen=True, slots=True)
class CancelDefinition:
    """A saga that takes back. The first of its steps may refuse with IllegalMove, and then nothing is taken back."""

    kind: str
    version: int
    steps: tuple[Callable[[Peers, Saga], Awaitable[None]], ...]


class TakeBack:
    """A kind of saga that takes back what was sold, as the engine runs it."""

    def __init__(
        self, definition: CancelDefinition, peers: Peers, sagas: SagaStore, store: RefundStore, refunds: Refunds
    ) -> None:
        self.definition, self.kind, self.version = definition, definition.kind, definition.version
        self._peers, self._sagas, self._store, self._refunds = peers, sagas, store, refunds

    async def advance(self, saga: Saga) -> Transition:
        """The next transition. Raises StillOwed while the money is on its way, and Halted when the refund is given up."""
        return await self._pay_back(saga) if saga.taken_back.has_ended else await self._end(saga)

    async def _end(self, saga: Saga) -> Transition:
        first, *others = self.definition.steps
        try:
            await first(self._peers, saga)
        except IllegalMove as refusal:  # the lesson took place meanwhile, or ended otherwise
            return await self._withdraw(saga, refusal)
        for step in others:
            await step(self._peers, saga)
        if owed_by_cancel(saga) is None:
            return Transition(saga, State.CANCELLED, "cancelled", announces=State.CANCELLED)
        return announce_end(saga, State.CANCELLED, "cancelled")

    async def _pay_back(self, saga: Saga) -> Transition:
        decision, facts = owed_by_cancel(saga), saga.taken_back
        assert decision is not None
        purchase = await self._sagas.get(facts.purchase_id)
        assert purchase is not None
        try:
            status = await self._refunds.carry_out(purchase, decision, facts.received_minor, facts.refunds_given_up)
        except RefundGivenUp as error:
            raise Halted(saga.with_facts(refunds_given_up=error.failed), error) from error
        if status is not RefundStatus.SUCCEEDED:
            raise StillOwed
        return Transition(saga, State.REFUNDED, "refunded")

    async def _withdraw(self, saga: Saga, refusal: Refusal) -> Transition:
        """The cancel is refused, and its refund is withdrawn before anybody is asked for it."""
        decision = owed_by_cancel(saga)
        for refund in await self._store.of_intent(decision.intent_id) if decision else ():
            if decision is not None and refund.id == decision.refund_id(0):
                await self._store.withdraw(refund)
        error = SagaError("FAILED_PRECONDITION", "NOT_CANCELLABLE", refusal.message)
        return Transition(saga, State.REJECTED, "rejected", refusal.reason, error=error)
