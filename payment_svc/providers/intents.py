"""A saga's PaymentIntent: opened once, closed for good, looked at whenever somebody is in doubt."""

from __future__ import annotations

from dataclasses import replace

from mesh.logs import log
from mesh.money import Money
from payment_svc.domain import Saga
from payment_svc.providers.port import Intent, OutcomeUnknown, PaymentEngine, ProviderRefused

CREATE_TRIES = 3


class Intents:
    """A saga's PaymentIntent. At most one per saga, whatever was answered or lost."""

    def __init__(self, provider: PaymentEngine) -> None:
        self._provider = provider

    async def open(self, saga: Saga, price: Money) -> Intent:
        """The saga's intent as it is now: found, or made. Raises ProviderRefused, OutcomeUnknown."""
        in_doubt = saga.is_repeat
        for _ in range(CREATE_TRIES):
            if in_doubt:
                found = await self._find(saga)
                if found is not None:
                    return found
            try:
                created = await self._provider.create_intent(saga, price)
                return await self._provider.retrieve_intent(created.id) if in_doubt else created
            except OutcomeUnknown as error:
                log().warning("intent_outcome_unknown", saga_id=str(saga.id), error=str(error.__cause__))
                in_doubt = True
        found = await self._find(saga)
        if found is None:
            raise OutcomeUnknown
        return found

    async def close(self, saga: Saga) -> Intent | None:
        """Make sure the saga's intent can no longer be paid: the intent then, canceled or succeeded.

        An intent whose creation is in doubt is created under its key first and cancelled then, so that a late creation
        meets the cancelled one: the tombstone of this step. None when the provider never had one.
        """
        if saga.payment_intent_id is not None:
            return await self._closed(saga.payment_intent_id)
        if saga.price is None:  # the row forgot what its drive knew: nothing can be made, but something may be there
            found = await self._provider.find_intent(saga)
            return await self._closed(found.id) if found is not None else None
        if saga.price.amount_minor == 0:
            return None
        try:
            intent = await self.open(replace(saga, attempt=max(saga.attempt, 1)), saga.price)
        except ProviderRefused:
            return None
        return await self._closed(intent.id)

    async def look(self, intent_id: str) -> Intent:
        """The intent as it is now."""
        return await self._provider.retrieve_intent(intent_id)

    async def failed_charges(self, intent_id: str) -> set[str]:
        return await self._provider.failed_charges(intent_id)

    async def _find(self, saga: Saga) -> Intent | None:
        if saga.payment_intent_id is not None:
            return await self._provider.retrieve_intent(saga.payment_intent_id)
        return await self._provider.find_intent(saga)

    async def _closed(self, intent_id: str) -> Intent:
        intent = await self._provider.cancel_intent(intent_id)
        if not (intent.succeeded or intent.canceled):
            raise OutcomeUnknown(f"the intent is {intent.status} and cannot be cancelled now")
        return intent
