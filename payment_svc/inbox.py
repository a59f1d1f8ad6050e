"""Events that no open saga takes: money after the end, intents no saga owns, refunds that changed later.

Each is looked into by asking Stripe what is so now, and settled: cancelled, refunded in full once, or recorded. An
event whose handling fails is retried with backoff, then parked; it never blocks another.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from uuid import UUID

from mesh import calls
from mesh.logs import log
from payment_svc.domain import RefundStatus, Saga, State
from payment_svc.sagas.engine import backoff, forever
from payment_svc.sagas.intents import Intents, Refunds
from payment_svc.store import EventStore, PaymentStore, RefundStore, SagaStore
from payment_svc.store.events import InboxEvent
from payment_svc.stripe_gateway import Intent

POLL_SECONDS = 2.0
BATCH = 20
ATTEMPTS = 8


class RefundNotDone(Exception):
    """The provider has not given the money back yet."""


class StrayMoney:
    """Settles an intent that no open saga will: nothing may stay payable, nothing captured may stay."""

    def __init__(
        self, sagas: SagaStore, payments: PaymentStore, refunds: RefundStore, intents: Intents, giving: Refunds
    ) -> None:
        self._sagas, self._payments, self._refunds = sagas, payments, refunds
        self._intents, self._giving = intents, giving

    async def settle(self, saga_id: UUID, intent_id: str) -> bool:
        """Make the intent harmless; True when something had to be done. Raises RefundNotDone, OutcomeUnknown."""
        saga = await self._sagas.get(saga_id)
        if saga is None:
            return False
        intent = await self._intents.look(intent_id)
        await self._record_refunds(intent_id)
        if intent.canceled or not self.concerns(saga, intent_id):
            return False
        if not intent.succeeded:
            intent = await self._intents.close(_as_owner(saga, intent)) or intent
        if intent.succeeded:
            await self._refund(saga, intent)
        return True

    @staticmethod
    def concerns(saga: Saga, intent_id: str) -> bool:
        """True when the saga itself will not look after this intent."""
        if intent_id != saga.payment_intent_id:
            return saga.payment_intent_id is not None or saga.is_complete
        return saga.is_complete and saga.state not in (State.COMPLETED, State.REFUNDED)

    async def _refund(self, saga: Saga, intent: Intent) -> None:
        log().error("late_money", alert=True, saga_id=str(saga.id), intent_id=intent.id, minor=intent.received)
        if intent.id == saga.payment_intent_id:
            await self._payments.received_late(intent.id, intent.paid)
        status = await self._giving.give_back(saga, intent.id, intent.paid, "late_money")
        if status is not RefundStatus.SUCCEEDED:
            raise RefundNotDone(f"the refund is {status}")

    async def _record_refunds(self, intent_id: str) -> None:
        """Learn what became of our refunds of this intent."""
        for refund in await self._refunds.of_intent(intent_id):
            if refund.status is not RefundStatus.FAILED:
                await self._giving.ask(refund)


def _as_owner(saga: Saga, intent: Intent) -> Saga:
    return replace(saga, payment_intent_id=intent.id)


class Inbox:
    """The loop over stored events."""

    def __init__(self, events: EventStore, stray: StrayMoney) -> None:
        self._events, self._stray = events, stray
        self._bell = asyncio.Event()

    def look_now(self) -> None:
        """An event has just been stored."""
        self._bell.set()

    async def run_once(self) -> int:
        """Handle what is due; how many."""
        due = await self._events.claim_due(BATCH)
        for event in due:
            await self._handle(event)
        return len(due)

    async def run_forever(self) -> None:
        """Until cancelled: at once when an event was stored here, else every two seconds."""
        await forever("inbox", self._rung, 0.0)

    async def _rung(self) -> int:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._bell.wait(), POLL_SECONDS)
        self._bell.clear()
        return await self.run_once()

    async def _handle(self, event: InboxEvent) -> None:
        with calls.background():
            try:
                await self._stray.settle(event.saga_id, event.intent_id)
                await self._events.done(event.id)
            except Exception as error:
                await self._failed(event, error)

    async def _failed(self, event: InboxEvent, error: Exception) -> None:
        words = f"{type(error).__name__}: {error}"[:500]
        if event.attempt >= ATTEMPTS:
            log().error("event_parked", alert=True, event_id=event.id, saga_id=str(event.saga_id), error=words)
            await self._events.park(event.id, words)
        else:
            log().warning("event_backs_off", event_id=event.id, attempt=event.attempt, error=words)
            await self._events.back_off(event.id, words, backoff(event.attempt, 0))
