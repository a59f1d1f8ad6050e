"""Stripe in memory, behind the provider's own methods: intents that end once, keys that replay, refunds that may fail.

Source: Stripe, "The Payment Intents API lifecycle", "Idempotent requests", "Refunds".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from mesh.money import Money
from payment_svc.domain import STRIPE, Intent, ProviderEvent, ProviderRefund, Refund, Saga
from payment_svc.providers.port import OutcomeUnknown, ProviderRefused
from tests.model.clockwork import Clockwork
from tests.model.state import Kept

T = TypeVar("T")
PAYABLE = "requires_payment_method"


class Provider:
    """What payment_svc sees of Stripe, and what others do there."""

    livemode, takes_reports = False, False
    name, intent_prefix = STRIPE, "pi_"

    def __init__(self, clock: Clockwork) -> None:
        self._clock = clock

    def _do(self, name: str, effect: Callable[[], T]) -> Awaitable[T]:
        return self._clock.call(name, effect, OutcomeUnknown)

    # What payment_svc asks.

    def create_intent(self, saga: Saga, price: Money) -> Awaitable[Intent]:
        return self._do("create_intent", lambda: self._created(saga, price))

    def _created(self, saga: Saga, price: Money) -> Intent:
        state, key = self._clock.state, f"payment-{saga.payment_id}-create"
        if state.may("amount refused"):
            raise ProviderRefused("amount_too_small", "refused")
        if key not in state.answers:
            made = f"pi_{len([known for known in state.intents.values() if known.intent.saga_id == saga.id])}_{saga.id}"
            intent = Intent(
                made, PAYABLE, f"{made}_secret", price.amount_minor, price.currency, 0, saga.id, saga.payment_id, None
            )
            state.intents[made], state.answers[key] = Kept(intent), intent
            self._emit("payment_intent.created", made, "payment_intent", PAYABLE, intent)
        answer: Intent = state.answers[key]
        return answer

    def find_intent(self, saga: Saga) -> Awaitable[Intent | None]:
        return self._do("find_intent", lambda: self._of_saga(saga))

    def _of_saga(self, saga: Saga) -> Intent | None:
        intents = (kept.intent for kept in self._clock.state.intents.values())
        return next((intent for intent in intents if intent.saga_id == saga.id), None)

    def retrieve_intent(self, intent_id: str) -> Awaitable[Intent]:
        return self._do("retrieve_intent", lambda: self._clock.state.intents[intent_id].intent)

    def cancel_intent(self, intent_id: str) -> Awaitable[Intent]:
        return self._do("cancel_intent", lambda: self.cancel_now(intent_id))

    def list_declined_charges(self, intent_id: str) -> Awaitable[set[str]]:
        return self._do("list_declined_charges", lambda: set(self._clock.state.intents[intent_id].failed_charges))

    def create_refund(self, refund: Refund) -> Awaitable[ProviderRefund]:
        return self._do("create_refund", lambda: self._refunded(refund))

    def _refunded(self, refund: Refund) -> ProviderRefund:
        state, key = self._clock.state, f"refund-{refund.id}"
        if key not in state.answers:
            state.answers[key] = self.refund_now(
                refund.payment_intent_id, refund.amount.amount_minor, str(refund.id), state.refund_status
            )
        answer: ProviderRefund = state.answers[key]
        return answer

    def find_refund(self, refund: Refund) -> Awaitable[ProviderRefund | None]:
        def found() -> ProviderRefund | None:
            told = self._refunds(refund.payment_intent_id)
            return next((r for r in told if str(refund.id) == r.refund_id or refund.provider_refund_id == r.id), None)

        return self._do("find_refund", found)

    def list_refunds(self, intent_id: str) -> Awaitable[list[ProviderRefund]]:
        return self._do("list_refunds", lambda: self._refunds(intent_id))

    def _refunds(self, intent_id: str) -> list[ProviderRefund]:
        return [refund for about, refund in self._clock.state.provider_refunds.values() if about == intent_id]

    def find_intent_of_charge(self, charge_id: str) -> Awaitable[str]:
        return self._do("find_intent_of_charge", str)  # nobody here looks for a charge

    def list_disputes(self, intent_id: str) -> Awaitable[list[Any]]:
        return self._do("list_disputes", list)

    def recent_intents(self, seconds: float, after: str) -> Awaitable[tuple[list[Intent], str]]:
        return self._do("list_intents", lambda: ([kept.intent for kept in self._clock.state.intents.values()], ""))

    def recent_events(
        self, types: frozenset[str], seconds: float, after: str
    ) -> Awaitable[tuple[list[ProviderEvent], str]]:
        def told() -> tuple[list[ProviderEvent], str]:
            both = [*self._clock.state.on_their_way.values(), *self._clock.state.delivered.values()]
            return [event for event in both if event.type in types], ""

        return self._do("list_events", told)

    def verify(self, payload: Any, signature: str) -> ProviderEvent:
        """The model's webhooks carry the event itself."""
        event: ProviderEvent = payload
        return event

    # What others do there.

    def cancel_now(self, intent_id: str) -> Intent:
        kept = self._clock.state.intents[intent_id]
        if kept.intent.status != PAYABLE:
            return kept.intent
        return self._becomes(kept, "payment_intent.canceled", status="canceled")

    def pay(self, intent_id: str) -> None:
        kept = self._clock.state.intents[intent_id]
        self._becomes(kept, "payment_intent.succeeded", status="succeeded", received=kept.intent.amount)

    def decline(self, intent_id: str) -> None:
        kept = self._clock.state.intents[intent_id]
        charge = f"ch_{len(kept.failed_charges)}"
        declined = kept._replace(failed_charges=(*kept.failed_charges, charge))
        self._becomes(declined, "payment_intent.payment_failed", failed_charge=charge)

    def change_amount(self, intent_id: str) -> None:
        kept = self._clock.state.intents[intent_id]
        self._clock.state.intents[intent_id] = kept._replace(intent=replace(kept.intent, amount=kept.intent.amount - 1))

    def _becomes(self, kept: Kept, event: str, **changes: Any) -> Intent:
        intent = replace(kept.intent, **changes)
        self._clock.state.intents[intent.id] = kept._replace(intent=intent)
        self._emit(event, intent.id, "payment_intent", intent.status, intent)
        return intent

    def refund_now(self, intent_id: str, amount: int, our_id: str, status: str) -> ProviderRefund:
        state = self._clock.state
        given = sum(refund.amount for refund in self._refunds(intent_id) if refund.status != "failed")
        intent = state.intents[intent_id].intent
        if status == "refused" or state.may("refunds refused"):
            raise ProviderRefused("charge_disputed", "refused")
        if amount > intent.received - given:
            raise ProviderRefused("charge_already_refunded", "refused")
        made = ProviderRefund(f"re_{len(state.provider_refunds)}", status, amount, intent.currency, our_id)
        state.provider_refunds[made.id] = (intent_id, made)
        self._emit("refund.created" if status != "failed" else "refund.failed", intent_id, "refund", status)
        return made

    def settle_refund(self, refund_id: str, status: str) -> None:
        intent_id, refund = self._clock.state.provider_refunds[refund_id]
        self._clock.state.provider_refunds[refund_id] = (intent_id, replace(refund, status=status))
        self._emit("refund.failed" if status == "failed" else "refund.updated", intent_id, "refund", status)

    def _emit(self, kind: str, intent_id: str, about: str, status: str, snapshot: Intent | None = None) -> None:
        state = self._clock.state
        known = [*state.on_their_way, *state.delivered]
        number = len([event for event in known if event.startswith(f"evt_{kind}_{intent_id}_")])
        saga_id = state.intents[intent_id].intent.saga_id
        event_id = f"evt_{kind}_{intent_id}_{number}"
        state.on_their_way[event_id] = ProviderEvent(event_id, kind, False, intent_id, saga_id, about, status, snapshot)
