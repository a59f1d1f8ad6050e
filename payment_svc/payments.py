"""Payments as their people see them: one, a history, the live intent, the timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from mesh import calls
from mesh.errors import Forbidden, NotFound
from mesh.money import Money
from payment_svc.domain import AmountMismatch, CaseFacts, Event, Payment, Saga, State, WrongState
from payment_svc.store import PaymentStore, SagaStore

MOST_EVENTS = 100
#: Events that only operators see.
INTERNAL_EVENTS = frozenset({"parked", "resolved", "retried"})


@dataclass(frozen=True, slots=True)
class Payments:
    """The reads. Another person's payment answers as if it did not exist."""

    payments: PaymentStore
    sagas: SagaStore
    max_attempts: int  # to pay for a purchase

    async def get(self, payment_id: UUID) -> Payment:
        payment = await self.payments.get(payment_id)
        if payment is None or not _is_shown(payment):
            raise NotFound
        return await self.payments.with_refunds(payment) if calls.current().service == "ops" else payment

    async def get_many(self, payment_ids: Sequence[UUID]) -> list[Payment]:
        """Those of the payments that are the caller's, in no order."""
        return [payment for payment in await self.payments.get_many(payment_ids) if _is_shown(payment)]

    async def history(self, student_id: UUID, after: tuple[datetime, UUID] | None, most: int) -> list[Payment]:
        """A student's payments, newest first. Raises Forbidden for another's."""
        calls.current().must_speak_for(student_id)
        return await self.payments.history(student_id, after, most)

    async def of_tutor(self, tutor_id: UUID, after: tuple[datetime, UUID] | None, most: int) -> list[Payment]:
        """The payments of what a tutor teaches, newest first. Raises Forbidden for another's."""
        calls.current().must_speak_for(tutor_id)
        return await self.payments.of_tutor(tutor_id, after, most)

    async def list_all(self, after: UUID | None, most: int) -> list[Payment]:
        """Every payment with its refunds, for the audit. Raises Forbidden for every caller but ops."""
        _must_be_ops()
        return await self.payments.list_all(after, most)

    async def list_of(self, ids: Sequence[UUID], intents: Sequence[str]) -> list[Payment]:
        """The payments of these ids, sagas or intents, for the audit. Raises Forbidden for every caller but ops."""
        _must_be_ops()
        return await self.payments.list_of(ids, intents)

    async def get_saga(self, saga_id: UUID) -> Saga:
        """A sale or a cancel of the caller's as a student. Raises NotFound, also for a case: that is the operators'."""
        saga = await self.sagas.get(saga_id)
        if saga is None or isinstance(saga.facts, CaseFacts) or not calls.current().speaks_for(saga.student_id):
            raise NotFound
        return saga

    async def timeline(self, booking_id: UUID) -> list[Event]:
        """What the saga of a booking did, oldest first."""
        for _, events in await self.timelines([booking_id]):
            return events
        raise NotFound

    async def timelines(self, booking_ids: Sequence[UUID]) -> list[tuple[UUID, list[Event]]]:
        """The same for those of the bookings that are the caller's, in no order."""
        found, call = await self.payments.timelines(booking_ids, MOST_EVENTS), calls.current()
        return [
            (one.sold_id, [_without_reason(event) for event in one.events if event.event not in INTERNAL_EVENTS])
            for one in found
            if call.speaks_for(one.student_id, one.tutor_id)
        ]

    async def find_payable(self, booking_id: UUID, amount: Money) -> Saga:
        """The saga whose intent its student can pay now.

        Raises NotFound, Forbidden (an admin), AmountMismatch, WrongState.
        """
        saga, call = await self._saga(booking_id), calls.current()
        if not call.speaks_for(saga.student_id):
            raise NotFound
        if call.person is not None and call.person.is_admin and call.person.id != saga.student_id:
            raise Forbidden("only its student pays for a booking")
        if saga.price != amount:
            raise AmountMismatch("the amount is not the booking's price")
        if saga.state is not State.AWAITING_PAYMENT or saga.hold_is_over:
            raise WrongState("the booking does not await a payment")
        return saga

    async def _saga(self, booking_id: UUID) -> Saga:
        saga = await self.sagas.by_sold(booking_id)
        if saga is None or saga.state is State.REJECTED:
            raise NotFound
        return saga


def _is_shown(payment: Payment) -> bool:
    return calls.current().speaks_for(payment.student_id, payment.tutor_id)


def _without_reason(event: Event) -> Event:
    """An event without its detail, which may tell one person of another's calendar. A cancel keeps its own words."""
    keeps_words = event.event in ("cancelled", "undo_cancelled")
    return event if keeps_words else replace(event, detail="")


def _must_be_ops() -> None:
    call = calls.current()
    if call.service != "ops" or not call.speaks_for():
        raise Forbidden
