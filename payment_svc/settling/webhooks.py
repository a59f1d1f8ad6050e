"""The webhook door: verify the event, judge it by its saga, commit the verdict, answer; then go on."""

from __future__ import annotations

from dataclasses import dataclass

from mesh import about, tracing
from mesh.logs import log
from payment_svc import metrics
from payment_svc.domain import BadSignature, EventSummary, ProviderEvent, Saga
from payment_svc.engine.engine import Engine
from payment_svc.providers.port import EventIgnored, printable
from payment_svc.providers.stripe import StripeProvider
from payment_svc.settling.inbox import Inbox
from payment_svc.settling.verdicts import CREATED, HANDLED, judge
from payment_svc.store.events import Apply, EventStore, Ignore, Park, Signal, ToInbox, Unstorable, Verdict


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The use case HandleStripeWebhook."""

    stripe: StripeProvider | None  # None where PAYMENT_ENGINES does not list it: no signature holds
    events: EventStore
    engine: Engine
    inbox: Inbox
    max_attempts: int

    async def receive(self, payload: bytes, signature: str) -> None:
        """Returns once the event is stored, or is known to change nothing here. Raises BadSignature, TryAgain."""
        if self.stripe is None:
            raise BadSignature
        try:
            event = self.stripe.verify(payload, signature)
        except EventIgnored as ignored:
            log().info("event_ignored", reason=ignored.reason, **ignored.told)
            return
        about.learn({"saga_id": event.saga_id, "intent_id": event.intent_id})
        reason = _why_not_ours(event, self.stripe)
        if not reason:
            reason = "" if await self.take(event) else "not_ours"
        if reason:
            log().info("event_ignored", reason=reason, event_id=event.id, type=event.type)

    async def take(self, event: ProviderEvent, source: str = "webhook", *, is_untold: bool = False) -> bool:
        """Judge a provider's event, once, whoever brought it here. False when it is about no saga of ours.

        `is_untold`: reconcile brings it, and no webhook has told of it.
        """
        summary = EventSummary(event.id, event.type, event.intent_id, event.saga_id)
        if event.type == CREATED:
            saga = await self.events.peek(summary)
            if isinstance(self._judge(event, saga), Ignore):
                _bind(event, saga)
                return saga is not None  # nearly every one of them; no lock is needed to see it
        verdict, saga = await self._store(event, summary)
        metrics.note_event(event.type, type(verdict).__name__, event.created, source, is_untold=is_untold)
        self._go_on(event, verdict, saga)
        return saga is not None

    async def _store(self, event: ProviderEvent, summary: EventSummary) -> tuple[Verdict, Saga | None]:
        """Commit the verdict. An event that the schema refuses is parked. After any other error the provider repeats it."""
        try:
            return await self.events.receive(summary, lambda saga: self._judge(event, saga))
        except Unstorable as error:
            log().error("event_crashed", event_id=event.id, type=event.type, exc_info=error)
            why = printable(str(error))
            return await self.events.receive(summary, lambda saga: Park(why))

    def _judge(self, event: ProviderEvent, saga: Saga | None) -> Verdict:
        """The verdict. An event that crashes its judgement is parked: its repeats would crash it as well."""
        try:
            verdict = judge(event, saga, self.max_attempts)
        except Exception as error:
            return Park(printable(f"{type(error).__name__}: {error}"), crash=error)
        if isinstance(verdict, Apply) and (self.engine.is_full or not self.engine.can_run(verdict.transition.saga)):
            return Signal()  # this process has no capacity, or only other replicas know the saga's version
        return verdict

    def _go_on(self, event: ProviderEvent, verdict: Verdict, saga: Saga | None) -> None:
        _bind(event, saga)
        log().info(
            "event_received", type=event.type, verdict=type(verdict).__name__, saga_id=str(saga.id if saga else "")
        )
        if isinstance(verdict, Park) and verdict.crash is not None:
            log().error("event_crashed", event_id=event.id, type=event.type, exc_info=verdict.crash)
        if isinstance(verdict, Park) and saga is not None:
            log().error(
                "event_parked", alert=True, event_id=event.id, saga_id=str(saga.id), type=event.type, error=verdict.why
            )
        if isinstance(verdict, Apply) and saga is not None and saga.lease_owner is not None:
            self.engine.start(saga)
        if isinstance(verdict, ToInbox):
            self.inbox.look_now()


def _bind(event: ProviderEvent, saga: Saga | None) -> None:
    """Log lines and spans of this call are about the event's saga. Its trace is linked to the one that began the saga."""
    about.bind(saga.ids if saga else {"intent_id": event.intent_id})
    tracing.link(saga.traceparent if saga else "")


def _why_not_ours(event: ProviderEvent, stripe: StripeProvider) -> str:
    """Why an event cannot concern us, whatever is stored here; empty when it can."""
    if event.type not in HANDLED:
        return "not_handled"
    return "" if event.livemode == stripe.livemode else "other_mode"
