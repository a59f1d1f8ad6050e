"""The door for a payment provider that calls us back: its report is kept once, then the saga moves as by a webhook.

A report on a booking that is paid through Stripe is a hint, as a webhook is: Stripe is asked.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from mesh import calls
from mesh.errors import NotFound, TryAgain
from mesh.logs import log
from payment_svc.domain import (
    Intent,
    PaymentEngines,
    ProviderEvent,
    ProviderMismatch,
    ProviderUnavailable,
    Saga,
    State,
    WrongState,
)
from payment_svc.engine.engine import Engine
from payment_svc.providers.port import NoSuchIntent, ProviderRefused, ReportingProvider, takes_reports
from payment_svc.providers.registry import Providers
from payment_svc.settling.verdicts import DECLINED, SUCCEEDED, knows_less
from payment_svc.settling.webhooks import Webhooks
from payment_svc.store import SagaStore

REFUNDED = "refund.updated"
#: Seconds that the provider is kept waiting for the end of the saga's run. Its report is kept by then.
ANSWER_SECONDS = 3.0


#: The status of an intent whose payment the bank has not confirmed yet.
PROCESSING = "processing"


@dataclass(frozen=True, slots=True)
class Looked:
    """A saga after its provider was asked. `is_paid`: the provider has the payment, or is about to."""

    saga: Saga
    is_paid: bool = False


class Outcome(StrEnum):
    """What a provider reports."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True)
class Report:
    """What a provider says it did for a booking. An empty provider means the booking's own."""

    booking_id: UUID
    reference: str
    outcome: Outcome
    provider: str


@dataclass(frozen=True, slots=True)
class Callbacks:
    """The use case HandlePaymentCallback."""

    engine: Engine
    sagas: SagaStore
    providers: Providers
    webhooks: Webhooks
    engines: PaymentEngines

    async def receive(self, report: Report) -> Saga:
        """Keep the report; the booking's saga then.

        Raises BadInput for an unknown engine, NotFound, ProviderMismatch, ReferenceUsed, WrongState,
        ProviderUnavailable, TryAgain.
        """
        saga = await self.sagas.by_sold(report.booking_id)
        chosen = saga.purchase_facts.payment_engine if saga is not None else ""
        if report.provider not in ("", chosen):  # an engine that is no longer listed may report on its own bookings
            self.engines.check(report.provider)
        if saga is None or saga.state is State.REJECTED:
            raise NotFound
        if report.provider not in ("", chosen):
            raise ProviderMismatch
        if saga.payment_intent_id is None:
            raise WrongState("nothing is to be paid")
        provider = self.providers.of_saga(saga)
        if takes_reports(provider):
            await self._record(provider, saga, saga.payment_intent_id, report)
        else:
            await self._ask_provider(saga, saga.payment_intent_id)
        return await self._wait_for_run(saga)

    async def look_now(self, saga: Saga) -> Looked:
        """Ask a provider that can be asked how the payment stands; the saga once its run has ended, as far as that takes.

        Raises ProviderUnavailable.
        """
        intent: Intent | None = None
        if saga.payment_intent_id is not None and not takes_reports(self.providers.of_saga(saga)):
            intent = await self._ask_provider(saga, saga.payment_intent_id)
        is_paid = intent is not None and (intent.succeeded or intent.status == PROCESSING)
        await self.sagas.end_look(saga, is_paid)
        return Looked(await self._wait_for_run(saga), is_paid)

    async def _ask_provider(self, saga: Saga, intent_id: str) -> Intent | None:
        """The intent as its provider tells it; None when nobody was asked, or the provider does not know it."""
        if saga.state is not State.AWAITING_PAYMENT or not self.engine.can_run(saga):
            return None  # the saga knows, or its own loops or those of a replica that knows its version will ask
        try:
            intent = await self.providers.retrieve_intent(intent_id)
        except NoSuchIntent:
            intent = None
        except ProviderRefused as error:
            raise ProviderUnavailable from error
        claimed = await self.sagas.claim_free(saga) if intent is None or knows_less(saga, intent) else None
        if claimed is not None:
            self.engine.start(claimed)
        return intent

    async def _record(self, provider: ReportingProvider, saga: Saga, intent_id: str, report: Report) -> None:
        match report.outcome:
            case Outcome.SUCCEEDED:
                await self._record_paid(provider, saga, intent_id, report.reference)
                await self._take_event(saga, intent_id, SUCCEEDED, report)
            case Outcome.FAILED:
                if await provider.record_declined(intent_id, report.reference):
                    await self._take_event(saga, intent_id, DECLINED, report)
            case Outcome.REFUNDED:
                if not await provider.record_refunded(intent_id, report.reference):
                    raise WrongState("nothing is to be given back")
                await self._take_event(saga, intent_id, REFUNDED, report)

    async def _record_paid(self, provider: ReportingProvider, saga: Saga, intent_id: str, reference: str) -> None:
        """Record the payment under this reference. Raises WrongState when it is recorded under another."""
        while True:
            known = await provider.record_paid(intent_id, reference)
            if known == reference:
                return
            if known is not None:
                log().error("paid_twice", alert=True, saga_id=str(saga.id), intent_id=intent_id, reference=reference)
                raise WrongState("it was paid by another reference")
            # The saga called the payment off. Once it has ended, the payment counts, and goes back.
            ended = await self.engine.wait_until(saga.id, lambda row: row.is_complete)
            if not ended.is_complete:
                raise TryAgain

    async def _take_event(self, saga: Saga, intent_id: str, kind: str, report: Report) -> None:
        """The report as the event that Stripe would have sent."""
        intent = await self.providers.retrieve_intent(intent_id)
        is_refund = report.outcome is Outcome.REFUNDED
        await self.webhooks.take(
            ProviderEvent(
                id=f"{intent_id}:{report.outcome}:{report.reference}",
                type=kind,
                livemode=False,
                intent_id=intent_id,
                saga_id=saga.id,
                object="refund" if is_refund else "payment_intent",
                status="succeeded" if is_refund else intent.status,
                intent=replace(intent, failed_charge=report.reference) if kind == DECLINED else intent,
            )
        )

    async def _wait_for_run(self, saga: Saga) -> Saga:
        """The saga once its run has ended, or as it is after a few seconds."""
        with contextlib.suppress(TryAgain), calls.deadline(ANSWER_SECONDS):
            return await self.engine.wait_until(
                saga.id, lambda row: row.is_complete or row.state is State.AWAITING_PAYMENT
            )
        row = await self.sagas.get(saga.id)
        assert row is not None
        return row
