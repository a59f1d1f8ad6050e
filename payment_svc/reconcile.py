"""Reconcile: ask Stripe about everything that should have news, so that a lost webhook costs minutes, not money.

Safe to run twice at once: it writes nothing itself, it wakes and drives, and those are fenced.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from uuid import UUID

from mesh.logs import log
from payment_svc.aftermath import Aftermath, RefundNotDone, unearned
from payment_svc.domain import NeedsAPerson, Saga, State
from payment_svc.engines import Engines
from payment_svc.payment_engine import Intent, OutcomeUnknown, ProviderRefused
from payment_svc.sagas.engine import Engine
from payment_svc.sagas.intents import Intents
from payment_svc.sagas.refunds import Refunds
from payment_svc.store import EventStore, OperatorStore, RefundStore
from payment_svc.webhooks import LATER, Webhooks

PAGE = 100
STALE_SECONDS = 120
LOOP_WINDOW, COMMAND_WINDOW = 2 * 3600, 7 * 24 * 3600
MOST_INTENTS = MOST_EVENTS = 5000
MOST_WOKEN = 1000


@dataclass(frozen=True, slots=True)
class Found:
    """What a round found."""

    examined: int = 0
    moved: int = 0
    woken: int = 0
    strays: int = 0


@dataclass(frozen=True, slots=True)
class Reconcile:
    """The loop's and the command's use case."""

    engine: Engine
    engines: Engines
    intents: Intents
    refunds: RefundStore
    giving: Refunds
    aftermath: Aftermath
    events: EventStore
    webhooks: Webhooks
    operators: OperatorStore

    async def round(self) -> Found:
        """The loop's round: what has been open for two minutes."""
        return await self._round(STALE_SECONDS, LOOP_WINDOW)

    async def everything(self) -> Found:
        """The command's round: every open payment whatever its age, and every saga that is backing off."""
        found = await self._round(0, COMMAND_WINDOW)
        return replace(found, woken=await self.operators.wake_backing_off(MOST_WOKEN))

    async def _round(self, older_than: float, window: float) -> Found:
        found = await self._waiting(older_than)
        found = await self._pending_refunds(found, older_than)
        found = await self._strays(found, window)
        found = await self._untold(found, window)
        if found.moved or found.strays:
            log().warning("reconciled", examined=found.examined, moved=found.moved, strays=found.strays)
        return found

    async def _waiting(self, older_than: float) -> Found:
        examined = moved = 0
        after: UUID | None = None
        while page := await self.engine.store.waiting(older_than, after, PAGE):
            for saga in page:
                examined += 1
                moved += await self._look(saga)
            after = page[-1].id
        return Found(examined, moved)

    async def _look(self, saga: Saga) -> bool:
        """Drive a waiting saga on when its intent has news."""
        assert saga.payment_intent_id is not None
        try:
            intent = await self.intents.look(saga.payment_intent_id)
        except (OutcomeUnknown, ProviderRefused) as error:
            log().warning("not_reconciled", saga_id=str(saga.id), error=str(error))
            return False
        if not is_news(saga, intent):
            return False
        if self.engine.is_full:  # whoever has room takes it up
            return await self.engine.store.wake(saga.id)
        claimed = await self.engine.store.claim_free(saga) if self.engine.drives(saga) else None
        if claimed is not None:
            self.engine.start(claimed)
        return claimed is not None

    async def _pending_refunds(self, found: Found, older_than: float) -> Found:
        for refund in await self.refunds.pending(older_than, PAGE):
            try:
                status = await self.giving.ask(refund)
            except (OutcomeUnknown, ProviderRefused) as error:
                log().warning("not_reconciled", refund_id=str(refund.id), error=str(error))
                continue
            found = replace(found, examined=found.examined + 1, moved=found.moved + (status is not refund.status))
        return found

    async def _strays(self, found: Found, window: float) -> Found:
        """Intents that carry our saga's id but are not the saga's, and money for what has ended."""
        seen = 0
        async for intent in self.engines.intents(window):
            seen += 1
            if seen > MOST_INTENTS:
                break
            if intent.saga_id is not None and not intent.canceled:
                found = replace(found, strays=found.strays + await self._settled(intent.saga_id, intent))
        return found

    async def _untold(self, found: Found, window: float) -> Found:
        """Refunds made or failed there, and disputes, of which no webhook ever came: judged as if it had."""
        seen = 0
        async for page in self.engines.events(LATER, int(time.time() - window)):
            seen += len(page)
            unknown = await self.events.unknown([event.id for event in page])
            for event in reversed(page):
                if event.id in unknown:
                    await self.webhooks.take(event)
            found = replace(found, examined=found.examined + len(unknown))
            if seen > MOST_EVENTS:
                break
        return found

    async def _settled(self, saga_id: UUID, intent: Intent) -> bool:
        """Settle an intent that our own rows call unsettled; the provider is asked about no other."""
        saga = await self.engine.store.get(saga_id)
        if saga is None or (saga.state is State.COMPLETED and intent.id == saga.payment_intent_id):
            return False
        if not self.aftermath.concerns(saga, intent, None):
            return False
        if intent.succeeded and not unearned(saga, None, intent, await self.refunds.of_intent(intent.id)):
            return False
        try:
            return await self.aftermath.settle(saga_id, intent.id)
        except (OutcomeUnknown, ProviderRefused, RefundNotDone, NeedsAPerson) as error:
            log().warning("not_reconciled", intent_id=intent.id, error=str(error))
            return True


def is_news(saga: Saga, intent: Intent) -> bool:
    """True when a waiting saga does not know yet what its intent shows."""
    known = saga.context.get("failed_charges", ())
    return intent.succeeded or intent.canceled or (intent.failed_charge or None) not in (None, *known)
