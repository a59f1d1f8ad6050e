"""Every payment engine behind one port: a saga's engine is chosen when it begins, an intent's name tells whose it is."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from mesh.money import Money
from payment_svc.domain import CALLBACK, CALLBACK_PREFIX, Refund, Saga
from payment_svc.providers.callback import CallbackGateway
from payment_svc.providers.port import Dispute, EngineEvent, Intent, PaymentEngine, ProviderRefund
from payment_svc.providers.stripe import StripeGateway

MOST_LATELY = 1000


class Engines:
    """A PaymentEngine that asks the right one."""

    def __init__(self, stripe: StripeGateway, callback: CallbackGateway) -> None:
        self._stripe, self._callback = stripe, callback

    async def create_intent(self, saga: Saga, price: Money) -> Intent:
        return await self._of(saga).create_intent(saga, price)

    async def find_intent(self, saga: Saga) -> Intent | None:
        return await self._of(saga).find_intent(saga)

    async def retrieve_intent(self, intent_id: str) -> Intent:
        return await self._whose(intent_id).retrieve_intent(intent_id)

    async def cancel_intent(self, intent_id: str) -> Intent:
        return await self._whose(intent_id).cancel_intent(intent_id)

    async def failed_charges(self, intent_id: str) -> set[str]:
        return await self._whose(intent_id).failed_charges(intent_id)

    async def create_refund(self, refund: Refund) -> ProviderRefund:
        return await self._whose(refund.payment_intent_id).create_refund(refund)

    async def find_refund(self, refund: Refund) -> ProviderRefund | None:
        return await self._whose(refund.payment_intent_id).find_refund(refund)

    async def refunds(self, intent_id: str) -> list[ProviderRefund]:
        return await self._whose(intent_id).refunds(intent_id)

    async def disputes(self, intent_id: str) -> list[Dispute]:
        return await self._whose(intent_id).disputes(intent_id)

    async def intents(self, window: float) -> AsyncIterator[Intent]:
        """What may be unsettled of the last seconds: what was collected through callbacks, then Stripe's intents."""
        for intent in await self._callback.store.collected_lately(window, MOST_LATELY):
            yield intent
        async for intent in self._stripe.intents(created={"gte": int(time.time() - window)}):
            yield intent

    def events(self, types: frozenset[str], since: int) -> AsyncIterator[list[EngineEvent]]:
        """What Stripe would have told; the callback engine says everything once, and waits for its answer."""
        return self._stripe.events(types, since)

    async def page(self, token: str, most: int) -> tuple[list[Intent], str]:
        """A page of everything, and the token of the next; empty on the last. Raises ProviderRefused for a bad token."""
        if token.startswith(CALLBACK_PREFIX):
            found = await self._callback.store.page(token, most)
            return found, found[-1].id if len(found) == most else ""
        page, more = await self._stripe.page(token or None, most)
        if more:
            return page, page[-1].id
        return page, CALLBACK_PREFIX if await self._callback.store.page(CALLBACK_PREFIX, 1) else ""

    def _of(self, saga: Saga) -> PaymentEngine:
        return self._callback if saga.payment_engine == CALLBACK else self._stripe

    def _whose(self, intent_id: str) -> PaymentEngine:
        return self._callback if intent_id.startswith(CALLBACK_PREFIX) else self._stripe
