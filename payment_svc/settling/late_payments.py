"""Settles an intent that no open saga looks after: closes it while it can be paid, and refunds what no sale earned.

Settling looks at the provider first and can be repeated. It records the refunds, closes an intent that can still be
paid, gives back what may not be kept, once, and puts a dispute before a person.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from mesh import about, tracing
from mesh.logs import log
from payment_svc.domain import (
    DisputeFacts,
    Intent,
    NeedsAPerson,
    Refund,
    RefundCaseFacts,
    RefundDecision,
    RefundGivenUp,
    RefundStatus,
    Saga,
    SagaError,
    State,
    StillOwed,
    dispute_case_id,
    refund_case_id,
)
from payment_svc.domain.owed import owed_after_end, owed_by_cancel, owed_by_undo
from payment_svc.providers.intents import Intents
from payment_svc.providers.refunds import Refunds, status_of_all
from payment_svc.providers.registry import Providers
from payment_svc.store import CancellationStore, OperatorStore, PaymentStore, SagaStore

#: The reasons for which a saga is parked that waits for nothing but its money. An earlier version knew the last one.
PARKED_FOR_MONEY = frozenset({StillOwed.reason, RefundGivenUp.reason, NeedsAPerson.reason})


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
        saga = await self.sagas.by_intent(intent_id, saga_id)
        if saga is None:
            return False
        about.learn(saga.ids)
        tracing.link(saga.traceparent)
        intent = await self.providers.retrieve_intent(intent_id)
        known = await self.refunds.import_answers(saga, intent_id)
        await self._record_disputes(saga, intent_id)
        cancel = await self.cancellations.of_sold(saga.sold_id)
        await self._wake_who_waits(saga, cancel, intent, known)
        if not is_left_to_us(saga, intent, cancel):
            return False
        was_payable = not intent.has_ended
        if was_payable:
            intent = await self.intents.make_unpayable(replace(saga, payment_intent_id=intent_id)) or intent
        decision = owed_after_end(saga, cancel, intent, known)
        case = await self.cancellations.refund_case(saga.sold_id, intent_id)
        if case is not None and (not case.is_complete or case.resolution is not None):
            await self._wake_case(case, decision, known)
            return False  # the case looks after it, or a person has settled it
        if decision is None:
            return await self._show_to_a_person(saga, intent) or was_payable
        await self._give_back(saga, intent, decision, case)
        return True

    async def pay_back(self, saga: Saga, intent_id: str, given_up: int) -> RefundStatus:
        """Give back what is still owed of an intent, for its case. Raises OutcomeUnknown, RefundGivenUp."""
        intent = await self.providers.retrieve_intent(intent_id)
        known = await self.refunds.import_answers(saga, intent_id)
        decision = owed_after_end(saga, await self.cancellations.of_sold(saga.sold_id), intent, known)
        if decision is None:
            return status_of_all(known)
        return await self.refunds.carry_out(saga, decision, intent.received, given_up)

    async def _wake_who_waits(self, saga: Saga, cancel: Saga | None, intent: Intent, known: list[Refund]) -> None:
        """An open cancel, or a parked undo, goes on once its money is back. A refund that fails wakes nobody."""
        if cancel is not None and not cancel.is_complete:
            decision, received = owed_by_cancel(cancel), cancel.taken_back.received_minor
            if decision is not None and decision.is_done(known, received):
                await self._wake(cancel)
        is_parked_undo = saga.state is State.PARKED and saga.has_ended and intent.id == saga.payment_intent_id
        if is_parked_undo and owed_by_undo(saga, intent).is_done(known, intent.received):
            await self._wake(saga)

    async def _wake(self, saga: Saga) -> None:
        """Let a saga end. It may have been parked for nothing but the money that is back now."""
        is_parked_for_money = saga.error is not None and saga.error.reason in PARKED_FOR_MONEY
        if saga.state is State.PARKED and is_parked_for_money:
            await self.operators.unpark(saga.id)
        else:
            await self.sagas.signal(saga.id)

    async def _wake_case(self, case: Saga, owed: RefundDecision | None, known: list[Refund]) -> None:
        if not case.is_complete and owed is None and status_of_all(known) is RefundStatus.SUCCEEDED:
            await self._wake(case)

    async def _give_back(self, saga: Saga, intent: Intent, decision: RefundDecision, last_case: Saga | None) -> None:
        told = {"saga_id": str(saga.id), "intent_id": intent.id, "amount": decision.amount.display}
        log().error("unearned_money", alert=True, minor=decision.amount.amount_minor, **told)
        if intent.id == saga.payment_intent_id:
            await self.payments.record_late(intent.id, intent.money)
        given_up = last_case.refund_case.refunds_given_up if last_case is not None else 0
        try:
            status = await self.refunds.carry_out(saga, decision, intent.received, given_up)
        except RefundGivenUp as error:
            await self._open_case(saga, decision, given_up, error)
            return
        if status is not RefundStatus.SUCCEEDED:
            raise RefundNotDone(f"the refund is {status}")

    async def _open_case(self, saga: Saga, decision: RefundDecision, given_up: int, error: RefundGivenUp) -> None:
        """Every saga of the purchase has ended, so the refund that was given up gets a case of its own."""
        case_id = refund_case_id(decision, given_up)
        facts = RefundCaseFacts(saga.id, decision.intent_id, error.failed)
        if await self.cancellations.park_refund(saga.id, case_id, facts, SagaError.of(error)):
            log().error("saga_parked", alert=True, saga_id=str(case_id), state=State.PARKED, error=str(error))

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
                saga.id, dispute_case_id(dispute.id), DisputeFacts(dispute.id), error
            ):
                log().error("disputed", alert=True, saga_id=str(saga.id), intent_id=intent_id, dispute_id=dispute.id)
        is_open, is_lost = any(one.is_open for one in disputes), any(one.is_lost for one in disputes)
        await self.cancellations.set_disputed(intent_id, disputed=is_open, charged_back=is_lost)


def is_left_to_us(saga: Saga, intent: Intent, cancel: Saga | None) -> bool:
    """True when no saga looks after this intent any more, and no person has settled what it received."""
    if intent.id != saga.payment_intent_id:
        return saga.payment_intent_id is not None or saga.is_complete
    if cancel is not None:
        return cancel.is_complete and cancel.resolution is None
    return saga.is_complete and not saga.was_resolved_with(intent.received)
