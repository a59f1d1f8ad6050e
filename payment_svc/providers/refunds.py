"""Money back, once: decided and committed first, then asked for under the refund's own id.

What the provider knows is learned before anything new is decided, so that a refund made by hand there counts too.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from mesh.logs import log
from mesh.money import Money
from payment_svc.domain import GiveBack, NeedsAPerson, Refund, RefundStatus, Saga, imported_refund_id
from payment_svc.providers.port import OutcomeUnknown, PaymentEngine, ProviderRefund, ProviderRefused
from payment_svc.store import RefundStore

#: How often what changes under our eyes is looked at.
LOOKS = 3


class Refunds:
    """The refunds of PaymentIntents. `saga` is always the purchase, whoever decided."""

    def __init__(self, store: RefundStore, provider: PaymentEngine) -> None:
        self._store, self._provider = store, provider

    async def give_back(self, saga: Saga, wish: GiveBack, captured: int) -> RefundStatus:
        """Carry a decision out; where it stands then. Who repeats it gets the same refund.

        Never gives back more than is left of what was captured (minor units). A refund that the provider failed is
        followed by another when this is asked again. Raises NeedsAPerson when the provider refuses it, OutcomeUnknown.
        """
        if not wish.amount.amount_minor:
            return RefundStatus.SUCCEEDED
        try:
            return await self._carry_out(saga, wish, captured)
        except ProviderRefused:
            return await self._after_refusal(saga, wish, captured)

    async def _carry_out(self, saga: Saga, wish: GiveBack, captured: int) -> RefundStatus:
        known = await self.learn(saga, wish.intent_id)
        ours, failed = _carrying_out(wish, known)
        if ours is None:
            left = captured - sum(r.amount.amount_minor for r in known if r.status is not RefundStatus.FAILED)
            if left <= 0:
                return _together(known)
            ours = await self._store.open(_decided(saga, wish, failed, left))
        return ours.status if ours.status is RefundStatus.SUCCEEDED else await self.ask(ours)

    async def _after_refusal(self, saga: Saga, wish: GiveBack, captured: int) -> RefundStatus:
        """The provider refuses what we decided: somebody was quicker there, or a person must look."""
        ours, _ = _carrying_out(wish, await self._store.of_intent(wish.intent_id))
        if ours is not None and ours.provider_refund_id is None:
            await self._store.withdraw(ours)
        try:
            return await self._carry_out(saga, wish, captured)
        except ProviderRefused as error:
            raise NeedsAPerson(f"the provider refuses the refund: {error}") from error

    async def ask(self, refund: Refund) -> RefundStatus:
        """Have the provider make this refund, or learn what became of it. Raises OutcomeUnknown."""
        told = None if refund.is_new else await self._provider.find_refund(refund)
        if told is None:
            told = await self._create(refund)
        if not await self._store.record(refund, told.meaning, told.id):
            raise OutcomeUnknown("somebody has heard of the refund meanwhile")
        if told.meaning is RefundStatus.FAILED:
            log().error("refund_not_done", alert=True, refund_id=str(refund.id), status=told.status)
        elif told.meaning is RefundStatus.PENDING:
            log().info("refund_pending", refund_id=str(refund.id), status=told.status)
        return told.meaning

    async def learn(self, saga: Saga, intent_id: str) -> list[Refund]:
        """What the provider says of an intent's refunds, recorded; those made by hand there are imported, once.

        What somebody else has recorded since we looked is asked about again. Raises OutcomeUnknown.
        """
        for _ in range(LOOKS):
            if await self._learned(saga, intent_id):
                return await self._store.of_intent(intent_id)
        raise OutcomeUnknown("the refunds change while they are looked at")

    async def _learned(self, saga: Saga, intent_id: str) -> bool:
        known = await self._store.of_intent(intent_id)
        by_id = {str(refund.id): refund for refund in known}
        by_name = {refund.provider_refund_id: refund for refund in known if refund.provider_refund_id}
        is_whole = True
        for told in await self._provider.refunds(intent_id):
            ours = by_id.get(told.refund_id) or by_name.get(told.id)
            if ours is not None:
                is_whole &= await self._store.record(ours, told.meaning, told.id)
            else:
                log().warning("refund_imported", saga_id=str(saga.id), provider_refund_id=told.id)
                await self._store.import_(_imported(saga, intent_id, told))
        return is_whole

    async def _create(self, refund: Refund) -> ProviderRefund:
        try:
            return await self._provider.create_refund(refund)
        except OutcomeUnknown:
            told = await self._provider.find_refund(refund)
            if told is None:
                raise
            return told


def _carrying_out(wish: GiveBack, known: list[Refund]) -> tuple[Refund | None, int]:
    """The refund that carries a decision out, if there is one that has not failed; and how many have."""
    by_id = {refund.id: refund for refund in known}
    failed = 0
    while (refund := by_id.get(wish.refund_id(failed))) is not None:
        if refund.status is not RefundStatus.FAILED:
            return refund, failed
        failed += 1
    return None, failed


def is_back(wish: GiveBack, known: list[Refund], captured: int) -> bool:
    """True when a decision's refund has succeeded, or everything that was captured is back otherwise."""
    ours, _ = _carrying_out(wish, known)
    succeeded = [refund for refund in known if refund.status is RefundStatus.SUCCEEDED]
    return ours in succeeded or sum(refund.amount.amount_minor for refund in succeeded) >= captured


def _decided(saga: Saga, wish: GiveBack, failed_before: int, left: int) -> Refund:
    return Refund(
        id=wish.refund_id(failed_before),
        payment_id=saga.payment_id,
        saga_id=saga.id,
        payment_intent_id=wish.intent_id,
        amount=replace(wish.amount, amount_minor=min(wish.amount.amount_minor, left)),
        status=RefundStatus.PENDING,
        reason=wish.reason,
    )


def _imported(saga: Saga, intent_id: str, told: ProviderRefund) -> Refund:
    try:
        refund_id = UUID(told.refund_id)  # ours, from before a backup was restored
    except ValueError:
        refund_id = imported_refund_id(told.id)
    return Refund(
        id=refund_id,
        payment_id=saga.payment_id,
        saga_id=saga.id,
        payment_intent_id=intent_id,
        amount=Money(told.amount, told.currency),
        status=told.meaning,
        reason="made_at_provider",
        provider_refund_id=told.id,
    )


def _together(known: list[Refund]) -> RefundStatus:
    """Where an intent stands whose refunds cover it: done when each of them is."""
    pending = any(refund.status is RefundStatus.PENDING for refund in known)
    return RefundStatus.PENDING if pending else RefundStatus.SUCCEEDED
