"""Cancels and cases in memory: sagas beside the purchase that they are about."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from typing import Any
from uuid import UUID

from payment_svc.domain import CANCEL_OF, REFUND_CASE, CancelFacts, Refund, RefundCaseFacts, Saga, SagaError, State
from tests.model.tables import RefundRows, Table


class Cancellations(Table):
    """Cancels of what was sold; the decision is committed with its refund."""

    refunds: RefundRows

    def begin(
        self,
        purchase: Saga,
        new_id: UUID,
        *,
        kind: str,
        version: int,
        facts: CancelFacts,
        refund: Refund | None,
        detail: str,
    ) -> Awaitable[Saga | None]:
        row = replace(purchase, id=new_id, kind=kind, version=version, facts=facts)
        return self._do("begin_cancel", lambda: self._begun(purchase, row, refund))

    def _begun(self, purchase: Saga, cancel: Saga, refund: Refund | None) -> Saga | None:
        state = self._clock.state
        row = state.sagas[purchase.id]
        if row.state is not State.COMPLETED or self._of(row.sold_id) is not None:
            return None
        if (refusal := self._refusal_of_earlier(row.sold_id)) is not None:
            raise refusal.to_refusal()
        if refund is not None:
            payment = state.payments[row.payment_id]
            if payment.received_minor - self.given(payment.intent_id) < refund.amount.amount_minor:
                return None
            self.refunds.open_now(refund)
        lease = self._now + self._sagas._lease
        return self._sagas.keep(
            replace(
                row, id=cancel.id, kind=cancel.kind, version=cancel.version, state=State.COMPENSATING, facts=cancel.facts,
                fence=1, signals=0, attempt=0, error=None, is_complete=False, payment_intent_id=None,
                lease_owner=self._sagas._owner, lease_until=lease, wake_at=lease, state_since=self._now,
                created_at=self._now,
            )
        )  # fmt: skip

    def _refusal_of_earlier(self, sold_id: UUID) -> SagaError | None:
        rows = (row for row in self._clock.state.sagas.values() if row.sold_id == sold_id)
        refused = (row for row in rows if row.kind in CANCEL_OF.values() and row.state is State.REJECTED)
        return next((row.error for row in refused), None)

    def of_sold(self, sold_id: UUID) -> Awaitable[Saga | None]:
        return self._do("cancel_of_sold", lambda: self._of(sold_id))

    def _of(self, sold_id: UUID) -> Saga | None:
        rows = self._clock.state.sagas.values()
        found = (row for row in rows if row.sold_id == sold_id and row.kind in CANCEL_OF.values())
        row = next((row for row in found if row.state is not State.REJECTED), None)
        return replace(row, loaded_at=self._now) if row is not None else None

    def park_refund(
        self, purchase_id: UUID, case_id: UUID, facts: RefundCaseFacts, error: SagaError
    ) -> Awaitable[bool]:
        def park() -> bool:
            state = self._clock.state
            if case_id in state.sagas:
                return False
            row = replace(
                state.sagas[purchase_id], id=case_id, kind=REFUND_CASE, version=1, state=State.PARKED, facts=facts,
                fence=1, signals=0, attempt=0, error=error, is_complete=False, payment_intent_id=None, lease_owner=None,
                lease_until=None, wake_at=None, state_since=self._now, created_at=self._now,
                parked_from=State.COMPENSATING,
            )  # fmt: skip
            self._sagas.keep(row)
            return True

        return self._do("park_refund", park)

    def refund_case(self, sold_id: UUID, intent_id: str) -> Awaitable[Saga | None]:
        def newest() -> Saga | None:
            rows = [row for row in self._clock.state.sagas.values() if row.kind == REFUND_CASE]
            ours = [row for row in rows if (row.sold_id, row.refund_case.intent_id) == (sold_id, intent_id)]
            row = max(ours, key=lambda row: row.created_at, default=None)
            return replace(row, loaded_at=self._now) if row is not None else None

        return self._do("refund_case", newest)

    def park_dispute(self, *_: Any) -> Awaitable[bool]:
        return self._do("park_dispute", lambda: False)

    def set_disputed(self, *_: Any, **__: Any) -> Awaitable[None]:
        return self._do("set_disputed", lambda: None)
