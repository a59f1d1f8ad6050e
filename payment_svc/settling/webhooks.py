"""The webhook door: verify, judge under the saga's row lock, commit, answer; then drive on.

An event is a hint. What it says is only taken at its word where Stripe can never take it back (a succeeded or canceled
intent); everything else makes somebody look at the intent's present state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mesh.logs import log
from payment_svc.domain import Move, Saga, State, Undo
from payment_svc.engine.engine import Engine
from payment_svc.providers.port import EngineEvent, Intent
from payment_svc.providers.stripe import StripeGateway
from payment_svc.selling.purchase import after_payment_news, undoing
from payment_svc.settling.inbox import Inbox
from payment_svc.store.events import Apply, EventStore, ForTheDriver, ForTheInbox, Ignore, Notice, Verdict

SUCCEEDED, DECLINED, CANCELED = (
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
)
CREATED = "payment_intent.created"
#: What happens to money after it was received; the object names its intent.
REFUNDS = frozenset({"refund.created", "refund.updated", "refund.failed", "charge.refunded", "charge.refund.updated"})
DISPUTES = frozenset({"charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed"})
LATER = REFUNDS | DISPUTES
HANDLED = frozenset({SUCCEEDED, DECLINED, CANCELED, CREATED}) | LATER


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The use case of HandleStripeWebhook."""

    stripe: StripeGateway
    events: EventStore
    engine: Engine
    inbox: Inbox
    max_attempts: int

    async def receive(self, payload: bytes, signature: str) -> None:
        """Returns once the event is stored, or changes nothing here. Raises BadSignature, TryAgain."""
        event = self.stripe.verify(payload, signature)
        reason = self._foreign(event)
        if event is not None and not reason:
            reason = "" if await self.take(event) else "not_ours"
        if reason:
            named = {"event_id": event.id, "type": event.type} if event else {"type": "other"}
            log().info("event_ignored", reason=reason, **named)

    def _foreign(self, event: EngineEvent | None) -> str:
        """Why an event cannot concern us whatever is stored here; empty when it can."""
        if event is None:
            return "no_intent"
        if event.type not in HANDLED:
            return "not_handled"
        return "" if event.livemode == self.stripe.livemode else "other_mode"

    async def take(self, event: EngineEvent) -> bool:
        """Judge one of Stripe's events, whoever brought it here: once. False when it is about no saga of ours."""
        notice = Notice(event.id, event.type, event.intent_id, event.saga_id)
        if event.type == CREATED:
            saga = await self.events.peek(notice)
            if isinstance(self._judged(event, saga), Ignore):
                return saga is not None  # nearly every one of them; no lock is needed to see it
        verdict, saga = await self.events.receive(notice, lambda saga: self._judged(event, saga))
        self._go_on(event, verdict, saga)
        return saga is not None

    def _go_on(self, event: EngineEvent, verdict: Verdict, saga: Saga | None) -> None:
        log().info(
            "event_received", type=event.type, verdict=type(verdict).__name__, saga_id=str(saga.id if saga else "")
        )
        if isinstance(verdict, Apply) and saga is not None and saga.lease_owner is not None:
            self.engine.start(saga)
        if isinstance(verdict, ForTheInbox):
            self.inbox.look_now()

    def _judged(self, event: EngineEvent, saga: Saga | None) -> Verdict:
        verdict = judged(event, saga, self.max_attempts)
        if isinstance(verdict, Apply) and (self.engine.is_full or not self.engine.drives(verdict.move.saga)):
            return ForTheDriver()  # no room here, or a version that only other replicas know
        return verdict


def judged(event: EngineEvent, saga: Saga | None, max_attempts: int) -> Verdict:
    """What an event means to its saga as it stands. Pure: the row is locked by whoever asks."""
    if saga is None:
        return Ignore()  # an intent that is not ours
    is_sagas_own = event.intent_id == saga.payment_intent_id
    if not is_sagas_own and (saga.payment_intent_id is not None or saga.is_complete):
        return _for_the_inbox(event)  # carries our saga's id, but is not the saga's: cancelled or refunded
    if event.type == CREATED:
        return Ignore()
    if saga.is_complete:
        return _after_the_end(event, saga)
    if saga.state is State.COMPENSATING:
        return _while_undoing(event)
    if event.type in LATER:
        return _for_the_inbox(event)
    if saga.state is State.BOOKING_SESSION:
        return Ignore()  # it knows that it is paid
    if saga.state is not State.AWAITING_PAYMENT or saga.is_leased or event.intent is None:
        return ForTheDriver()
    return _while_waiting(event, event.intent, saga, max_attempts)


def _after_the_end(event: EngineEvent, saga: Saga) -> Verdict:
    if event.type in LATER:
        return _for_the_inbox(event)
    may_know = saga.state in (State.COMPLETED, State.REFUNDED) and not saga.was_resolved
    return Ignore() if may_know or event.type != SUCCEEDED else ForTheInbox()


def _while_undoing(event: EngineEvent) -> Verdict:
    """An undo closes the intent itself and asks about its refund in its own time, so that a refund that keeps failing
    is not made again at the speed of its own events; only that the money is back ends its sleep."""
    if event.type in DISPUTES:
        return ForTheInbox()
    return ForTheDriver() if _says_it_is_back(event) else Ignore()


def _for_the_inbox(event: EngineEvent) -> Verdict:
    """A refund's own events can wait for the backoff of the refund that makes them; that the money is back cannot."""
    return ForTheInbox(can_wait=event.type in REFUNDS and not _says_it_is_back(event))


def _says_it_is_back(event: EngineEvent) -> bool:
    return event.type in REFUNDS and event.object == "refund" and event.status == "succeeded"


def _while_waiting(event: EngineEvent, intent: Intent, saga: Saga, max_attempts: int) -> Verdict:
    if event.type in (SUCCEEDED, CANCELED):
        return Apply(taking_over(after_payment_news(saga, intent)))
    known: list[str] = saga.context.get("failed_charges", [])
    if intent.failed_charge is None or intent.failed_charge in known:
        return Ignore()
    saga = saga.knowing(failed_charges=[*known, intent.failed_charge])
    if len(known) + 1 >= max_attempts:
        return Apply(taking_over(undoing(saga, Undo.DECLINED, f"{max_attempts} attempts declined")))
    return Apply(taking_over(Move(saga, State.AWAITING_PAYMENT, "payment_declined", wait=True)))


def taking_over(move: Move) -> Move:
    """A webhook's move ends whatever a stalled owner may still believe."""
    return replace(move, takes_over=True)
