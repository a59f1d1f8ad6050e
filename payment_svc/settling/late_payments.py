"""Settles an intent that no open saga looks after: closes it while it can be paid, and refunds what no sale earned.

Settling looks at the provider first and can be repeated. It records the refunds, closes an intent that can still be
paid, gives back what may not be kept, once, and puts a dispute before a person.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from mesh.logs import log
from payment_svc.domain import (
    CaseFacts,
    Intent,
    Refund,
    RefundDecision,
    RefundStatus,
    Saga,
    SagaError,
    State,
    StillOwed,
    dispute_case_id,
)
from payment_svc.domain.owed import owed_after_end, owed_by_cancel
from payment_svc.providers.intents import Intents
from payment_svc.providers.refunds import Refunds
from payment_svc.providers.registry import Providers
from payment_svc.store import CancellationStore, OperatorStore, PaymentStore, SagaStore


class RefundNotDone(Exception):
    """The provider has not given the money back yet."""


@dataclass(frozen=True, slots=True)
class LatePayments:
    """Settles the intents that no open saga will."""

    sagas: SagaStore
    cancellations: CancellationStore
    payments: PaymentStore
    intents: Intents
    refunds: Refunds
    providers: Providers
    operators: OperatorStore

    async def settle(self, saga_id: UUID, intent_id: str) -> bool:
        """Settle an intent; True when something had to be done. Raises RefundNotDone, OutcomeUnknown."""
        saga = await self.sagas.get(saga_id)
        if saga is None:
            return False
        intent = await self.providers.retrieve_intent(intent_id)
        known = await self.refunds.learn(saga, intent_id)
        await self._record_disputes(saga, intent_id)
        cancel = await self._find_and_wake_cancel(saga, known)
        if not is_left_to_us(saga, intent, cancel):
            return False
        was_payable = not intent.has_ended
        if was_payable:
            intent = await self.intents.close(replace(saga, payment_intent_id=intent_id)) or intent
        decision = owed_after_end(saga, cancel, intent, known)
        if decision is None:
            return await self._show_to_a_person(saga, intent) or was_payable
        await self._give_back(saga, intent, decision)
        return True

    async def _find_and_wake_cancel(self, saga: Saga, known: list[Refund]) -> Saga | None:
        """The purchase's cancel. An open one wakes once its money is back. A refund that fails wakes nobody."""
        cancel = await self.cancellations.of_sold(saga.sold_id)
        decision = owed_by_cancel(cancel) if cancel is not None and not cancel.is_complete else None
        if cancel is not None and decision is not None and decision.is_done(known, cancel.taken_back.received_minor):
            await self._wake(cancel)
        return cancel

    async def _wake(self, cancel: Saga) -> None:
        """Wake the cancel. When it was parked because of this refund, unpark it."""
        is_parked_for_money = cancel.error is not None and cancel.error.reason == StillOwed.reason
        if cancel.state is State.PARKED and is_parked_for_money:
            await self.operators.unpark(cancel.id)
        else:
            await self.sagas.signal(cancel.id)

    async def _give_back(self, saga: Saga, intent: Intent, decision: RefundDecision) -> None:
        minor = decision.amount.amount_minor
        log().error("unearned_money", alert=True, saga_id=str(saga.id), intent_id=intent.id, minor=minor)
        if intent.id == saga.payment_intent_id:
            await self.payments.record_late(intent.id, intent.money)
        status = await self.refunds.carry_out(saga, decision, intent.received)
        if status is not RefundStatus.SUCCEEDED:
            raise RefundNotDone(f"the refund is {status}")

    async def _show_to_a_person(self, saga: Saga, intent: Intent) -> bool:
        """Money came for a purchase that a person resolved as COMPLETED. It is recorded, alerted, and kept."""
        if saga.resolution is None or saga.state is not State.COMPLETED or not intent.succeeded:
            return False
        log().error("money_after_resolve", alert=True, saga_id=str(saga.id), intent_id=intent.id)
        await self.payments.record_late(intent.id, intent.money)
        return True

    async def _record_disputes(self, saga: Saga, intent_id: str) -> None:
        """Show an open dispute on the payment, and put each before a person."""
        disputes = await self.providers.list_disputes(intent_id)
        for dispute in disputes:
            error = SagaError("FAILED_PRECONDITION", "DISPUTED", f"{dispute.id} needs an answer")
            if dispute.is_open and await self.cancellations.park_dispute(
                saga.id, dispute_case_id(dispute.id), CaseFacts(dispute.id), error
            ):
                log().error("disputed", alert=True, saga_id=str(saga.id), intent_id=intent_id, dispute_id=dispute.id)
        await self.cancellations.set_disputed(intent_id, any(dispute.is_open for dispute in disputes))


def is_left_to_us(saga: Saga, intent: Intent, cancel: Saga | None) -> bool:
    """True when no saga looks after this intent any more, and no person has settled what it received."""
    if intent.id != saga.payment_intent_id:
        return saga.payment_intent_id is not None or saga.is_complete
    if cancel is not None:
        return cancel.is_complete and cancel.resolution is None
    return saga.is_complete and not saga.was_resolved_with(intent.received)
