"""Money back, once: a refund is committed first, then the provider is asked under the refund's own id.

What the provider knows is recorded before anything new is decided, so that a refund made by hand there counts too.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from uuid import UUID

from mesh.logs import log
from mesh.money import Money
from payment_svc import metrics
from payment_svc.domain import (
    MADE_AT_PROVIDER,
    ProviderRefund,
    Refund,
    RefundDecision,
    RefundGivenUp,
    RefundStatus,
    Saga,
    imported_refund_id,
)
from payment_svc.providers.port import OutcomeUnknown, ProviderRefused, Unreadable
from payment_svc.providers.registry import Providers
from payment_svc.store import RefundStore

#: How often the refunds of an intent are read again, when they change while they are read.
MOST_READS = 3
#: How many refunds of one decision may fail before a person must look.
MOST_FAILED = 3
FAILED_TOO_OFTEN = f"the provider has failed {MOST_FAILED} refunds of it"


class Refunds:
    """The refunds of PaymentIntents. `saga` is always the purchase, whoever decided."""

    def __init__(self, store: RefundStore, providers: Providers) -> None:
        self._store, self._providers = store, providers

    async def carry_out(
        self, saga: Saga, decision: RefundDecision, received_minor: int, given_up: int = 0
    ) -> RefundStatus:
        """Carry a decision out, and say where its refund stands then. A repeat gets the same refund.

        Never gives back more than is left of what was received (minor units). When the provider failed the refund, the
        next call makes another. Raises OutcomeUnknown, and RefundGivenUp when the provider refuses the refund for good
        or has failed MOST_FAILED refunds of the decision, not counting the `given_up` first ones.
        """
        if not decision.amount.amount_minor:
            return RefundStatus.SUCCEEDED
        make = partial(self._make, saga, decision, received_minor, given_up)
        refuse = partial(self._refuse, saga, decision, received_minor, given_up)
        try:
            return await make()
        except ProviderRefused:
            await refuse()
        try:
            return await make()  # somebody may have refunded at the provider meanwhile: less is left then
        except ProviderRefused as error:
            await refuse()
            raise await self._give_up(decision, f"the provider refuses the refund: {error}") from error

    async def _make(self, saga: Saga, decision: RefundDecision, received_minor: int, given_up: int) -> RefundStatus:
        known = await self.import_answers(saga, decision.intent_id)
        ours, failed = decision.find_refund(known)
        if ours is None:
            left = received_minor - sum(r.amount.amount_minor for r in known if r.status is not RefundStatus.FAILED)
            if left <= 0:
                return status_of_all(known)
            if failed - given_up >= MOST_FAILED:
                raise await self._give_up(decision, FAILED_TOO_OFTEN)
            ours = await self._store.open(_new_refund(saga, decision, failed, given_up, left))
        status = ours.status if ours.status is RefundStatus.SUCCEEDED else await self.make_or_check(ours)
        if status is RefundStatus.FAILED and failed + 1 - given_up >= MOST_FAILED:
            raise await self._give_up(decision, FAILED_TOO_OFTEN)
        return status

    async def _refuse(self, saga: Saga, decision: RefundDecision, received_minor: int, given_up: int) -> None:
        """The provider refused the refund of the decision: it has failed, and counts no more."""
        ours, failed = decision.find_refund(await self._store.of_intent(decision.intent_id))
        if ours is None:
            ours = await self._store.open(_new_refund(saga, decision, failed, given_up, received_minor))
        if ours.provider_refund_id is None:
            await self._store.refuse(ours)

    async def _give_up(self, decision: RefundDecision, why: str) -> RefundGivenUp:
        """Tell people, once, that the refund has failed. What is raised then parks its saga."""
        known = await self._store.of_intent(decision.intent_id)
        _, failed = decision.find_refund(known)
        for refund in known:
            if failed and refund.id == decision.refund_id(failed - 1):
                await self._store.announce_failure(refund)
        metrics.REFUNDS.labels("GIVEN_UP").inc()
        log().error(
            "refund_given_up",
            alert=True,
            intent_id=decision.intent_id,
            amount=decision.amount.display,
            failed=failed,
            error=why,
        )
        return RefundGivenUp(why, failed)

    async def make_or_check(self, refund: Refund) -> RefundStatus:
        """Have the provider make this refund, or learn what became of it. Raises OutcomeUnknown, ProviderRefused."""
        answer = None if refund.is_new else await self._providers.find_refund(refund)
        if answer is None:
            answer = await self._create(refund)
            if not answer.carries_out(refund):
                raise Unreadable("the refund that was made is another one")
        if not await self._store.record(refund, answer.meaning, answer.id):
            raise OutcomeUnknown("somebody has recorded another answer meanwhile")
        told = {name: str(value) for name, value in refund.ids.items()} | {"amount": refund.amount.display}
        if answer.meaning is RefundStatus.FAILED:
            log().error("refund_not_done", alert=True, refund_id=str(refund.id), status=answer.status, **told)
        elif answer.meaning is RefundStatus.PENDING:
            log().info("refund_pending", refund_id=str(refund.id), status=answer.status, **told)
        return answer.meaning

    async def import_answers(self, saga: Saga, intent_id: str) -> list[Refund]:
        """Record what the provider says of an intent's refunds, and return them all.

        Refunds that somebody made at the provider are imported, once. Raises OutcomeUnknown when the rows keep changing.
        """
        for _ in range(MOST_READS):
            if await self._record_answers(saga, intent_id):
                return await self._store.of_intent(intent_id)
        raise OutcomeUnknown("the refunds change while they are read")

    async def _record_answers(self, saga: Saga, intent_id: str) -> bool:
        """Record each of the provider's refunds; False when somebody recorded another answer meanwhile."""
        known = await self._store.of_intent(intent_id)
        by_provider_id = {refund.provider_refund_id: refund for refund in known if refund.provider_refund_id}
        unanswered = {str(refund.id): refund for refund in known if not refund.provider_refund_id}
        is_current = True
        for answer in reversed(await self._providers.list_refunds(intent_id)):  # a copy of ours is newer than ours
            ours = by_provider_id.get(answer.id) or unanswered.get(answer.refund_id)
            if ours is not None and (ours.provider_refund_id or answer.carries_out(ours)):
                unanswered.pop(str(ours.id), None)
                is_current &= await self._store.record(ours, answer.meaning, answer.id)
            else:
                await self._import(saga, intent_id, answer)
        return is_current

    async def _import(self, saga: Saga, intent_id: str, answer: ProviderRefund) -> None:
        """Keep a refund that was made at the provider: under the name that it has there, unless that is another one's."""
        log().info("refund_imported", saga_id=str(saga.id), provider_refund_id=answer.id)
        for refund_id in _names_of_import(answer):
            if await self._store.import_(_import_of(saga, intent_id, answer, refund_id)):
                return

    async def _create(self, refund: Refund) -> ProviderRefund:
        try:
            return await self._providers.create_refund(refund)
        except OutcomeUnknown:
            made = await self._providers.find_refund(refund)
            if made is None:
                raise
            return made


def _new_refund(saga: Saga, decision: RefundDecision, failed_before: int, given_up: int, left: int) -> Refund:
    return Refund(
        id=decision.refund_id(failed_before),
        payment_id=saga.payment_id,
        saga_id=saga.id,
        payment_intent_id=decision.intent_id,
        amount=replace(decision.amount, amount_minor=min(decision.amount.amount_minor, left)),
        status=RefundStatus.PENDING,
        reason=decision.reason,
        told_as=decision.told_as(given_up),
    )


def _names_of_import(answer: ProviderRefund) -> list[UUID]:
    """Our ids for an imported refund, the better one first."""
    made_of_its_id = imported_refund_id(answer.id)
    try:
        return [UUID(answer.refund_id), made_of_its_id]  # ours, from before a backup was restored
    except ValueError:
        return [made_of_its_id]


def _import_of(saga: Saga, intent_id: str, answer: ProviderRefund, refund_id: UUID) -> Refund:
    return Refund(
        id=refund_id,
        payment_id=saga.payment_id,
        saga_id=saga.id,
        payment_intent_id=intent_id,
        amount=Money(answer.amount, answer.currency),
        status=answer.meaning,
        reason=MADE_AT_PROVIDER,
        provider_refund_id=answer.id,
    )


def status_of_all(known: list[Refund]) -> RefundStatus:
    """Where the refunds that cover an intent stand together: succeeded when each of them has."""
    is_pending = any(refund.status is RefundStatus.PENDING for refund in known)
    return RefundStatus.PENDING if is_pending else RefundStatus.SUCCEEDED
