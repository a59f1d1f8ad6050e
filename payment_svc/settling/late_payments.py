"""What comes after a saga has ended, or beside it: nothing may stay payable, nothing captured may stay unearned.

Settling looks at Stripe first and can be repeated: it learns the refunds, closes what can still be paid, gives back
what may not be kept, once, and puts a dispute before a person.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from mesh.logs import log
from payment_svc.cancelling.take_back import give_back
from payment_svc.domain import GiveBack, Refund, RefundStatus, Saga, State, dispute_case_id, everything_of
from payment_svc.providers.intents import Intents
from payment_svc.providers.port import Intent, PaymentEngine
from payment_svc.providers.refunds import Refunds, is_back
from payment_svc.selling.purchase import StillOwed
from payment_svc.store import CancellationStore, OperatorStore, PaymentStore, SagaStore


class RefundNotDone(Exception):
    """The provider has not given the money back yet."""


@dataclass(frozen=True, slots=True)
class Aftermath:
    """Settles an intent that no open saga will."""

    sagas: SagaStore
    cancellations: CancellationStore
    payments: PaymentStore
    intents: Intents
    giving: Refunds
    provider: PaymentEngine
    operators: OperatorStore

    async def settle(self, saga_id: UUID, intent_id: str) -> bool:
        """Make the intent harmless; True when something had to be done. Raises RefundNotDone, OutcomeUnknown."""
        saga = await self.sagas.get(saga_id)
        if saga is None:
            return False
        intent = await self.intents.look(intent_id)
        known = await self.giving.learn(saga, intent_id)
        await self._see_disputes(saga, intent_id)
        cancel = await self._woken_cancel(saga, known)
        if not self.concerns(saga, intent, cancel):
            return False
        was_payable = not (intent.succeeded or intent.canceled)
        if was_payable:
            intent = await self.intents.close(replace(saga, payment_intent_id=intent_id)) or intent
        wish = unearned(saga, cancel, intent, known)
        if wish is None:
            return await self._show_to_a_person(saga, intent) or was_payable
        await self._give_back(saga, intent, wish)
        return True

    @staticmethod
    def concerns(saga: Saga, intent: Intent, cancel: Saga | None) -> bool:
        """True when no saga looks after this intent (any more), nor a person has settled what it received."""
        if intent.id != saga.payment_intent_id:
            return saga.payment_intent_id is not None or saga.is_complete
        if cancel is not None:
            return cancel.is_complete and not cancel.was_resolved
        return saga.is_complete and not saga.was_resolved_with(intent.received)

    async def _woken_cancel(self, saga: Saga, known: list[Refund]) -> Saga | None:
        """The purchase's cancel; told when it is still open and its money is back. A refund that fails wakes nobody."""
        cancel = await self.cancellations.of_booking(saga.booking_id)
        wish = give_back(cancel) if cancel is not None and not cancel.is_complete else None
        if cancel is not None and wish is not None and is_back(wish, known, cancel.context["received_minor"]):
            await self._wake(cancel)
        return cancel

    async def _wake(self, cancel: Saga) -> None:
        """Let it end; also when it was parked for nothing but the money that is back now."""
        if cancel.state is State.PARKED and (cancel.error or {}).get("reason") == StillOwed.reason:
            await self.operators.unpark(cancel.id)
        else:
            await self.sagas.wake(cancel.id)

    async def _give_back(self, saga: Saga, intent: Intent, wish: GiveBack) -> None:
        log().error(
            "unearned_money", alert=True, saga_id=str(saga.id), intent_id=intent.id, minor=wish.amount.amount_minor
        )
        if intent.id == saga.payment_intent_id:
            await self.payments.received_late(intent.id, intent.paid)
        status = await self.giving.give_back(saga, wish, intent.received)
        if status is not RefundStatus.SUCCEEDED:
            raise RefundNotDone(f"the refund is {status}")

    async def _show_to_a_person(self, saga: Saga, intent: Intent) -> bool:
        """Money for what a person called done without it: perhaps it was to come, perhaps it is too much. It is kept."""
        if not (saga.was_resolved and saga.state is State.COMPLETED and intent.succeeded):
            return False
        log().error("money_after_resolve", alert=True, saga_id=str(saga.id), intent_id=intent.id)
        await self.payments.received_late(intent.id, intent.paid)
        return True

    async def _see_disputes(self, saga: Saga, intent_id: str) -> None:
        """Show an open dispute on the payment, and put each before a person."""
        disputes = await self.provider.disputes(intent_id)
        for dispute in disputes:
            error = {"code": "FAILED_PRECONDITION", "reason": "DISPUTED", "message": f"{dispute.id} needs an answer"}
            if dispute.is_open and await self.cancellations.park_dispute(
                saga.id, dispute_case_id(dispute.id), dispute.id, error
            ):
                log().error("disputed", alert=True, saga_id=str(saga.id), intent_id=intent_id, dispute_id=dispute.id)
        await self.cancellations.set_disputed(intent_id, any(dispute.is_open for dispute in disputes))


def unearned(saga: Saga, cancel: Saga | None, intent: Intent, refunds: list[Refund]) -> GiveBack | None:
    """What of an intent's money may not be kept and is not back or on its way; None when there is no such thing."""
    if not intent.succeeded:
        return None
    wish = _due(saga, cancel, intent)
    given = sum(refund.amount.amount_minor for refund in refunds if _is_under_way(refund))
    return wish if wish is not None and given < wish.amount.amount_minor else None


def _is_under_way(refund: Refund) -> bool:
    """A decision that its maker did not live to tell the provider is not: nobody gives that money back."""
    return refund.status is not RefundStatus.FAILED and refund.provider_refund_id is not None


def _due(saga: Saga, cancel: Saga | None, intent: Intent) -> GiveBack | None:
    """All that has to go back of an intent in the end."""
    everything = everything_of(intent.id, intent.paid, "late_money")
    if intent.id != saga.payment_intent_id:
        return everything
    if cancel is not None:
        return give_back(cancel)
    if saga.state is State.COMPLETED:
        return None
    due = saga.refund_due
    if due is None or saga.state is State.EXPIRED or saga.was_closed_unpaid or saga.was_resolved:
        return everything
    return replace(everything, amount=due)
