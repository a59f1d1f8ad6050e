"""RefundCase: a refund that was given up after every saga of its purchase had ended.

The case begins parked (settling/late_payments.py). When a person retries it, it goes on with the refund; when the money is
back, it ends by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from payment_svc.domain import REFUND_CASE, RefundGivenUp, RefundStatus, Saga, State, StillOwed, Transition
from payment_svc.engine.definition import Halted
from payment_svc.settling.late_payments import LatePayments
from payment_svc.store import SagaStore


@dataclass(frozen=True, slots=True)
class RefundCase:
    """The kind of saga that looks after such a refund, as the engine runs it."""

    sagas: SagaStore
    late_payments: LatePayments
    kind: str = REFUND_CASE
    version: int = 1

    async def advance(self, saga: Saga) -> Transition:
        """The next transition. Raises StillOwed while the money is on its way, and Halted when it is given up again."""
        facts = saga.refund_case
        purchase = await self.sagas.get(facts.purchase_id)
        assert purchase is not None
        try:
            status = await self.late_payments.pay_back(purchase, facts.intent_id, facts.refunds_given_up)
        except RefundGivenUp as error:
            raise Halted(saga.with_facts(refunds_given_up=error.failed), error) from error
        if status is not RefundStatus.SUCCEEDED:
            raise StillOwed
        return Transition(saga, State.REFUNDED, "refunded")
