"""A saga's PaymentIntent: opened once, and closed so that nobody can pay it any more."""

from __future__ import annotations

from dataclasses import replace

from mesh.logs import log
from mesh.money import Money
from payment_svc.domain import Intent, Saga
from payment_svc.providers.port import NoSuchIntent, OutcomeUnknown, ProviderRefused
from payment_svc.providers.registry import Providers

CREATE_TRIES = 3


class Intents:
    """Opens and closes intents. A saga gets at most one, whatever was answered or lost."""

    def __init__(self, providers: Providers) -> None:
        self._providers = providers

    async def open(self, saga: Saga, price: Money) -> Intent:
        """The saga's intent as it is now: the one there is, or a new one. Raises ProviderRefused, OutcomeUnknown."""
        in_doubt = saga.is_repeat
        for _ in range(CREATE_TRIES):
            if in_doubt:
                found = await self._find(saga)
                if found is not None:
                    return found
            try:
                created = await self._providers.create_intent(saga, price)
                return await self._providers.retrieve_intent(created.id) if in_doubt else created
            except OutcomeUnknown as error:
                log().warning("intent_outcome_unknown", saga_id=str(saga.id), error=f"{error}: {error.__cause__}")
                in_doubt = True
        found = await self._find(saga)
        if found is None:
            raise OutcomeUnknown
        return found

    async def make_unpayable(self, saga: Saga) -> Intent | None:
        """Make sure that nobody can pay the saga's intent: the intent then, canceled or succeeded.

        When nobody knows whether an intent was created, this creates it under its key and cancels it. A creation that
        arrives late then finds the cancelled intent: the tombstone of this step. None when the provider has no intent.
        An intent of ours that the provider does not know counts as canceled.
        """
        if saga.payment_intent_id is not None:
            return await self._close_known(saga, saga.payment_intent_id)
        if (
            saga.price is None
        ):  # an earlier run died before its commit: it may have made an intent, and no price is kept
            found = await self._providers.find_intent(saga)
            return await self._cancel(found.id) if found is not None else None
        if saga.is_free:
            return None
        try:
            intent = await self.open(replace(saga, attempt=max(saga.attempt, 1)), saga.price)
        except ProviderRefused:
            return None
        return await self._cancel(intent.id)

    async def _find(self, saga: Saga) -> Intent | None:
        if saga.payment_intent_id is not None:
            return await self._providers.retrieve_intent(saga.payment_intent_id)
        return await self._providers.find_intent(saga)

    async def _close_known(self, saga: Saga, intent_id: str) -> Intent:
        try:
            return await self._cancel(intent_id)
        except NoSuchIntent:
            log().error("intent_unknown", alert=True, saga_id=str(saga.id), intent_id=intent_id)
            return Intent.gone(intent_id, saga.price.currency if saga.price else "")

    async def _cancel(self, intent_id: str) -> Intent:
        """The intent, ended. When the cancel cannot be reached, it may have ended all the same: we look."""
        try:
            intent = await self._providers.cancel_intent(intent_id)
        except OutcomeUnknown:
            intent = await self._providers.retrieve_intent(intent_id)
        if not intent.has_ended:
            raise OutcomeUnknown(f"the intent is {intent.status} and cannot be cancelled now")
        return intent
