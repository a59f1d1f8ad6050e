"""Payments as their people see them: one, a history, the live intent, the timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from mesh import calls
from mesh.errors import Forbidden, NotFound
from mesh.money import Money
from payment_svc.domain import AmountMismatch, Event, Payment, Saga, State, WrongState
from payment_svc.store import PaymentStore, SagaStore

MOST_EVENTS = 100
#: What operators need to know and nobody else.
INTERNAL_EVENTS = frozenset({"parked", "resolved", "retried"})


@dataclass(frozen=True, slots=True)
class Payments:
    """The reads. Another person's things do not exist."""

    payments: PaymentStore
    sagas: SagaStore

    async def get(self, payment_id: UUID) -> Payment:
        payment = await self.payments.get(payment_id)
        if payment is None or not _is_shown(payment):
            raise NotFound
        return payment

    async def these(self, payment_ids: Sequence[UUID]) -> list[Payment]:
        """Those of the payments that are the caller's, in no order."""
        return [payment for payment in await self.payments.these(payment_ids) if _is_shown(payment)]

    async def history(self, student_id: UUID, after: tuple[datetime, UUID] | None, most: int) -> list[Payment]:
        """What a student paid, newest first. Raises Forbidden for another's."""
        calls.current().must_speak_for(student_id)
        return await self.payments.history(student_id, after, most)

    async def everybodys(self, after: UUID | None, most: int) -> list[Payment]:
        """Every payment with its refunds, for the audit. Raises Forbidden for everybody but ops."""
        call = calls.current()
        if call.service != "ops" or not call.speaks_for():
            raise Forbidden
        return await self.payments.everybodys(after, most)

    async def timeline(self, booking_id: UUID) -> list[Event]:
        """What the saga did for a booking, oldest first."""
        for _, events in await self.timelines([booking_id]):
            return events
        raise NotFound

    async def timelines(self, booking_ids: Sequence[UUID]) -> list[tuple[UUID, list[Event]]]:
        """The same for those of the bookings that are the caller's, in no order."""
        found, call = await self.payments.timelines(booking_ids, MOST_EVENTS), calls.current()
        return [
            (one.booking_id, [_told(event) for event in one.events if event.event not in INTERNAL_EVENTS])
            for one in found
            if call.speaks_for(one.student_id, one.tutor_id)
        ]

    async def live_intent(self, booking_id: UUID, amount: Money) -> Saga:
        """The saga whose intent can be paid now, for who pays. Raises NotFound, Forbidden (an admin), AmountMismatch,
        WrongState."""
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
        saga = await self.sagas.by_booking(booking_id)
        if saga is None or saga.state is State.REJECTED:
            raise NotFound
        return saga


def _is_shown(payment: Payment) -> bool:
    return calls.current().speaks_for(payment.student_id, payment.tutor_id)


def _told(event: Event) -> Event:
    """Why a saga turned back may tell one person of another's calendar: only that it did is told."""
    keeps_words = event.event in ("cancelled", "undo_cancelled")
    return event if keeps_words else replace(event, detail="")
