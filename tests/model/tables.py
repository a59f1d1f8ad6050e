"""payment_svc's other tables in memory: Stripe's events, payments, refunds. One call, one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar, cast
from uuid import UUID

from mesh.money import Money
from payment_svc.domain import (
    EventSummary,
    Payment,
    PaymentStatus,
    Received,
    Refund,
    RefundStatus,
    Saga,
    State,
)
from payment_svc.store.events import Apply, Ignore, InboxEvent, Signal, ToInbox, Verdict
from tests.model.clockwork import Clockwork
from tests.model.rows import Rows, event_row, lost
from tests.model.state import EPOCH, EventRow

T = TypeVar("T")


class Table:
    def __init__(self, clock: Clockwork, sagas: Rows) -> None:
        self._clock, self._sagas = clock, sagas

    def _do(self, name: str, effect: Callable[[], T]) -> Awaitable[T]:
        return self._clock.call(name, effect, lost)

    @property
    def _now(self) -> datetime:
        return self._clock.state.now

    def given(self, intent_id: str, *statuses: RefundStatus) -> int:
        """The refunds of an intent that have one of these statuses; without any: what is back or on its way."""
        counted = statuses or (RefundStatus.SUCCEEDED, RefundStatus.PENDING)
        refunds = (r for r in self._clock.state.refunds.values() if r.payment_intent_id == intent_id)
        return sum(r.amount.amount_minor for r in refunds if r.status in counted)


class Events(Table):
    """Stripe's events."""

    def peek(self, summary: EventSummary) -> Awaitable[Saga | None]:
        return self._do("peek", lambda: self._found(summary))

    def _found(self, summary: EventSummary) -> Saga | None:
        rows = self._clock.state.sagas
        own = next((row for row in rows.values() if row.payment_intent_id == summary.intent_id), None)
        row = own or (rows.get(summary.saga_id) if summary.saga_id else None)
        return replace(row, loaded_at=self._now) if row is not None else None

    def unknown(self, event_ids: list[str]) -> Awaitable[set[str]]:
        return self._do("unknown", lambda: set(event_ids) - set(self._clock.state.events))

    def stored_types(self, intent_ids: list[str]) -> Awaitable[set[tuple[str, str]]]:
        """Only a metric depends on it: the rows of this model have no types."""
        return self._do("stored_types", lambda: set())

    def receive(
        self, summary: EventSummary, judge: Callable[[Saga | None], Verdict]
    ) -> Awaitable[tuple[Verdict, Saga | None]]:
        return self._do("receive", lambda: self._received(summary, judge))

    def _received(self, summary: EventSummary, judge: Callable[[Saga | None], Verdict]) -> tuple[Verdict, Saga | None]:
        events, saga = self._clock.state.events, self._found(summary)
        verdict = judge(saga)
        if saga is None or isinstance(verdict, Ignore) or summary.event_id in events:
            return Ignore(), saga
        status = {Apply: "DONE", Signal: "NEWS", ToInbox: "INBOX"}[type(verdict)]
        events[summary.event_id] = self._stored(saga, summary, verdict, status)
        if isinstance(verdict, Apply):
            return verdict, self._sagas.commit_now(verdict.transition)
        if isinstance(verdict, Signal):
            self._sagas.count_signal(self._clock.state.sagas[saga.id])
        return verdict, saga

    def _stored(self, saga: Saga, summary: EventSummary, verdict: Verdict, status: str) -> EventRow:
        row = event_row(saga, summary.event_id, summary.intent_id, status, self._now)
        if not isinstance(verdict, ToInbox):
            return row
        around = self._around(saga.id, summary.intent_id)
        times = [known.wake_at for known in around if known.wake_at is not None and verdict.can_wait]
        attempt = max((known.attempt for known in around), default=0)
        return row._replace(attempt=attempt, wake_at=max(times, default=self._now))

    def _around(self, saga_id: UUID, intent_id: str) -> list[EventRow]:
        """What waits in the inbox about an intent."""
        rows = self._clock.state.events.values()
        return [row for row in rows if (row.saga_id, row.intent_id, row.status) == (saga_id, intent_id, "INBOX")]

    def claim_now(self, event_id: str) -> InboxEvent:
        """What `claim` does to one due event and those that go along."""
        event = self._clock.state.events[event_id]
        later, tries = self._now + timedelta(seconds=10), event.attempt + 1
        around = self._around(event.saga_id, event.intent_id)
        due = [row for row in around if row.wake_at is not None and row.wake_at <= self._now]
        for row in due:
            self._clock.state.events[row.id] = row._replace(attempt=max(row.attempt, tries), wake_at=later)
        along = tuple(row.id for row in due if row.id != event_id)
        return InboxEvent(event.id, event.saga_id, event.intent_id, tries, along)

    def done(self, event: InboxEvent) -> Awaitable[None]:
        return self._do("done", lambda: self._become(event, "DONE"))

    def back_off(self, event: InboxEvent, error: str, seconds: float) -> Awaitable[None]:
        return self._do("back_off", lambda: self._sleep(event, self._now + timedelta(seconds=seconds)))

    def park(self, event: InboxEvent, error: str) -> Awaitable[None]:
        return self._do("park", lambda: self._become(event, "PARKED"))

    def _become(self, event: InboxEvent, status: str) -> None:
        for row in self._around(event.saga_id, event.intent_id):
            if row.id in event.ids:
                self._clock.state.events[row.id] = row._replace(status=status, wake_at=None)

    def _sleep(self, event: InboxEvent, wake_at: datetime) -> None:
        for row in self._around(event.saga_id, event.intent_id):
            if row.id in event.ids or (row.wake_at is not None and row.wake_at > self._now):
                tries = max(row.attempt, event.attempt)
                self._clock.state.events[row.id] = row._replace(attempt=tries, wake_at=wake_at)


class Payments(Table):
    """Payments, as they are read."""

    def get(self, payment_id: UUID) -> Awaitable[Payment | None]:
        return self._do("get_payment", lambda: self._got(payment_id))

    def _got(self, payment_id: UUID) -> Payment | None:
        row = self._clock.state.payments.get(payment_id)
        if row is None:
            return None
        saga = self._clock.state.sagas[row.saga_id]
        return Payment(
            id=row.id, saga_id=row.saga_id, sold_id=saga.sold_id, session_id=saga.session_id,
            student_id=saga.student_id, tutor_id=saga.tutor_id, amount=Money(row.amount_minor, row.currency),
            stored_status=PaymentStatus(row.status), context=saga.payment_context, context_id=cast(UUID, saga.context_id),
            intent_id=row.intent_id, received_minor=row.received_minor, disputed=False, created_at=EPOCH,
            refunded_minor=self.given(row.intent_id, RefundStatus.SUCCEEDED),
            pending_minor=self.given(row.intent_id, RefundStatus.PENDING),
        )  # fmt: skip

    def record_late(self, intent_id: str, received: Received) -> Awaitable[None]:
        return self._do("record_late", lambda: self._late(intent_id, received))

    def _late(self, intent_id: str, received: Received) -> None:
        payments = self._clock.state.payments
        for row in [row for row in payments.values() if row.intent_id == intent_id and row.status != "SUCCEEDED"]:
            payments[row.id] = row._replace(status="SUCCEEDED", received_minor=received.amount_minor)


class RefundRows(Table):
    """Refunds, counted before the provider is asked."""

    def of_intent(self, intent_id: str) -> Awaitable[list[Refund]]:
        return self._do("refunds_of_intent", lambda: self._of(intent_id))

    def _of(self, intent_id: str) -> list[Refund]:
        return [refund for refund in self._clock.state.refunds.values() if refund.payment_intent_id == intent_id]

    def open(self, refund: Refund) -> Awaitable[Refund]:
        return self._do("open_refund", lambda: self.open_now(refund))

    def open_now(self, refund: Refund) -> Refund:
        refunds = self._clock.state.refunds
        is_new = refund.id not in refunds
        row = refunds.setdefault(refund.id, replace(refund, status=RefundStatus.PENDING))
        return replace(row, is_new=is_new)

    def import_(self, refund: Refund) -> Awaitable[bool]:
        def keep() -> bool:
            refunds = self._clock.state.refunds
            names = {known.provider_refund_id for known in refunds.values()}
            if refund.provider_refund_id in names or refund.id in refunds:
                return False
            refunds[refund.id] = refund
            return True

        return self._do("import_refund", keep)

    def withdraw(self, refund: Refund) -> Awaitable[None]:
        def take_back() -> None:
            row = self._clock.state.refunds[refund.id]
            if row.status is RefundStatus.PENDING and row.provider_refund_id is None:
                self._clock.state.refunds[refund.id] = replace(row, status=RefundStatus.FAILED, reason="withdrawn")

        return self._do("withdraw_refund", take_back)

    def refuse(self, refund: Refund) -> Awaitable[None]:
        def fail() -> None:
            row = self._clock.state.refunds[refund.id]
            if row.status is RefundStatus.PENDING and row.provider_refund_id is None:
                self._clock.state.refunds[refund.id] = replace(row, status=RefundStatus.FAILED)

        return self._do("refuse_refund", fail)

    def announce_failure(self, refund: Refund) -> Awaitable[None]:
        """The model has no messages."""
        return self._do("announce_failure", lambda: None)

    def record(self, refund: Refund, status: RefundStatus, provider_refund_id: str) -> Awaitable[bool]:
        def keep() -> bool:
            row = self._clock.state.refunds[refund.id]
            if (refund.status, refund.provider_refund_id) == (status, provider_refund_id):
                return True
            if row.status not in (refund.status, status):
                return False
            self._clock.state.refunds[refund.id] = replace(row, status=status, provider_refund_id=provider_refund_id)
            return True

        return self._do("record_refund", keep)

    def pending(self, older_than: float, after: UUID | None, most: int) -> Awaitable[list[Refund]]:
        def page() -> list[Refund]:
            refunds = sorted(self._clock.state.refunds.values(), key=lambda refund: refund.id)
            pending = [refund for refund in refunds if refund.status == "PENDING" and not self._is_looked_after(refund)]
            return [refund for refund in pending if after is None or refund.id > after][:most]

        return self._do("pending_refunds", page)

    def _is_looked_after(self, refund: Refund) -> bool:
        """By an open saga; or, while the provider has not been asked, by the person whom a parked one waits for."""
        sagas = self._clock.state.sagas
        around = [row for row in sagas.values() if row.sold_id == sagas[refund.saga_id].sold_id]
        is_parked = refund.provider_refund_id is None and any(row.state is State.PARKED for row in around)
        return is_parked or any(row.wake_at is not None for row in around)
