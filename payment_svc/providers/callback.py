"""The callback engine: any engine that calls us back. What it is asked for waits in our own tables for its report.

It cannot be told to stop: what was called off may be paid all the same, and is given back then.
"""

from __future__ import annotations

from mesh.money import Money
from payment_svc.domain import Refund, Saga
from payment_svc.providers.port import Dispute, Intent, ProviderRefund, ProviderRefused
from payment_svc.store import CallbackStore


class CallbackGateway:
    """A PaymentEngine over what the engine has reported so far."""

    def __init__(self, store: CallbackStore) -> None:
        self.store = store

    async def create_intent(self, saga: Saga, price: Money) -> Intent:
        return await self.store.open_payment(saga, price)

    async def find_intent(self, saga: Saga) -> Intent | None:
        return await self.store.payment_of(saga)

    async def retrieve_intent(self, intent_id: str) -> Intent:
        """Raises ProviderRefused for one that there is not."""
        intent = await self.store.payment(intent_id)
        if intent is None:
            raise ProviderRefused("resource_missing", "no such payment")
        return intent

    async def cancel_intent(self, intent_id: str) -> Intent:
        await self.store.call_off(intent_id)
        return await self.retrieve_intent(intent_id)

    async def failed_charges(self, intent_id: str) -> set[str]:
        return await self.store.declined(intent_id)

    async def create_refund(self, refund: Refund) -> ProviderRefund:
        """The request for it: it is pending until the engine reports it."""
        await self.store.request_refund(refund)
        asked = await self.find_refund(refund)
        assert asked is not None
        return asked

    async def find_refund(self, refund: Refund) -> ProviderRefund | None:
        known = await self.store.refunds_requested(refund.payment_intent_id)
        return next((item for item in known if item.refund_id == str(refund.id)), None)

    async def refunds(self, intent_id: str) -> list[ProviderRefund]:
        return await self.store.refunds_requested(intent_id)

    async def disputes(self, intent_id: str) -> list[Dispute]:
        """It has no word for one."""
        return []
