"""A payment engine calls back: what it reports is kept once, and then the saga moves as by a webhook.

A report on a booking that is paid through Stripe is a hint, as a webhook is: Stripe is asked what is so.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from mesh import calls
from mesh.errors import NotFound, TryAgain
from mesh.logs import log
from payment_svc.domain import STRIPE, EngineMismatch, ProviderUnavailable, Saga, State, WrongState
from payment_svc.engine.engine import Engine
from payment_svc.providers.intents import Intents
from payment_svc.providers.port import EngineEvent, ProviderRefused
from payment_svc.settling.reconcile import is_news
from payment_svc.settling.webhooks import DECLINED, SUCCEEDED, Webhooks
from payment_svc.store import CallbackStore

REFUNDED = "refund.updated"
#: Seconds that the engine is kept waiting for the saga to come to rest; the report is kept by then.
SETTLE_SECONDS = 3.0


class Happened(StrEnum):
    """What an engine reports."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True)
class Report:
    """What an engine says it did for a booking. An empty engine is the booking's own."""

    booking_id: UUID
    reference: str
    happened: Happened
    payment_engine: str


@dataclass(frozen=True, slots=True)
class Callbacks:
    """The use case of HandlePaymentCallback."""

    engine: Engine
    store: CallbackStore
    intents: Intents
    webhooks: Webhooks

    async def receive(self, report: Report) -> Saga:
        """The booking's saga, the report kept.

        Raises NotFound, EngineMismatch, WrongState, ProviderUnavailable, TryAgain.
        """
        saga = await self.engine.store.by_booking(report.booking_id)
        if saga is None or saga.state is State.REJECTED:
            raise NotFound
        if report.payment_engine not in ("", saga.payment_engine):
            raise EngineMismatch
        if saga.payment_intent_id is None:
            raise WrongState("nothing is to be paid")
        if saga.payment_engine == STRIPE:
            await self._ask_stripe(saga, saga.payment_intent_id)
        else:
            await self._keep(saga, saga.payment_intent_id, report)
        return await self._settled(saga)

    async def _ask_stripe(self, saga: Saga, intent_id: str) -> None:
        if saga.state is not State.AWAITING_PAYMENT or not self.engine.drives(saga):
            return  # it knows, or its own loops will ask, or those of a replica that knows its version
        try:
            intent = await self.intents.look(intent_id)
        except ProviderRefused as error:
            raise ProviderUnavailable from error
        claimed = await self.engine.store.claim_free(saga) if is_news(saga, intent) else None
        if claimed is not None:
            self.engine.start(claimed)

    async def _keep(self, saga: Saga, intent_id: str, report: Report) -> None:
        if report.happened is Happened.SUCCEEDED:
            await self._paid(saga, intent_id, report.reference)
            await self._tell(saga, intent_id, SUCCEEDED, report)
        elif report.happened is Happened.FAILED:
            await self.store.report_declined(intent_id, report.reference)
            if report.reference in await self.store.declined(intent_id):
                await self._tell(saga, intent_id, DECLINED, report)
        else:
            if not await self.store.report_refunded(intent_id, report.reference):
                raise WrongState("nothing is to be given back")
            await self._tell(saga, intent_id, REFUNDED, report)

    async def _paid(self, saga: Saga, intent_id: str, reference: str) -> None:
        """Until the payment is kept under this reference. Raises WrongState when it is under another."""
        while True:
            await self.store.report_paid(intent_id, reference)
            known = await self.store.reference_of(intent_id)
            if known == reference:
                return
            if known is not None:
                log().error("paid_twice", alert=True, saga_id=str(saga.id), intent_id=intent_id, reference=reference)
                raise WrongState("it was paid by another reference")
            ended = await self.engine.settle(
                saga.id, lambda row: row.is_complete
            )  # it was called off: then it goes back
            if not ended.is_complete:
                raise TryAgain

    async def _tell(self, saga: Saga, intent_id: str, kind: str, report: Report) -> None:
        """The report as the event that Stripe would have sent."""
        intent = await self.intents.look(intent_id)
        is_refund = report.happened is Happened.REFUNDED
        await self.webhooks.take(
            EngineEvent(
                id=f"{intent_id}:{report.happened}:{report.reference}",
                type=kind,
                livemode=False,
                intent_id=intent_id,
                saga_id=saga.id,
                object="refund" if is_refund else "payment_intent",
                status="succeeded" if is_refund else intent.status,
                intent=replace(intent, failed_charge=report.reference) if kind == DECLINED else intent,
            )
        )

    async def _settled(self, saga: Saga) -> Saga:
        """The saga once it rests, or as it is when that takes long."""
        with contextlib.suppress(TryAgain), calls.deadline(SETTLE_SECONDS):
            return await self.engine.settle(saga.id, lambda row: row.is_complete or row.state is State.AWAITING_PAYMENT)
        row = await self.engine.store.get(saga.id)
        assert row is not None
        return row
