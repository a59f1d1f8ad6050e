"""I8: our payments and refunds equal the provider's, one by one."""

from __future__ import annotations

from collections.abc import Iterator

from ops.audit.snapshot import Breach, Snapshot
from ops.audit.things import Intent, Payment, ProviderRefund, Refund

#: What our words mean in the provider's (Stripe: PaymentIntent and Refund statuses); PENDING is any payable one.
PROVIDER_STATUS = {
    "SUCCEEDED": "succeeded",
    "PARTIALLY_REFUNDED": "succeeded",
    "REFUNDED": "succeeded",
    "FAILED": "canceled",
    "CANCELLED": "canceled",
}
#: An amount that was changed at the provider is refunded in full, and stays different then.
KEPT = frozenset({"PENDING", "SUCCEEDED", "PARTIALLY_REFUNDED"})
FAILED_REFUNDS = frozenset({"failed", "canceled"})
RECONCILE = "run `tutormesh reconcile`"
BY_HAND_THEN = "if it stays, have the provider send its events again"


def unequal_books(snapshot: Snapshot) -> Iterator[Breach]:
    """I8: our payments and refunds equal the provider's, one by one."""
    for payment in snapshot.payments:
        if snapshot.is_at_rest(payment.saga_id):
            for wrong in _payment_faults(snapshot, payment):
                told = f"payment {payment.id}: {wrong}"
                yield Breach("I8", (payment.id, payment.intent_id), told, f"{RECONCILE}; {BY_HAND_THEN}")
    for intent in snapshot.intents:
        if snapshot.is_at_rest(intent.saga_id):
            for wrong in _intent_faults(snapshot, intent):
                told = f"intent {intent.id}: {wrong}"
                yield Breach("I8", (intent.payment_id, intent.id), told, f"{RECONCILE}; {BY_HAND_THEN}")


def _payment_faults(snapshot: Snapshot, payment: Payment) -> Iterator[str]:
    intent = snapshot.intent_by_id.get(payment.intent_id)
    if intent is None:
        yield f"the provider has no intent {payment.intent_id} of ours"
        return
    if intent.amount != payment.amount and payment.status in KEPT:
        yield f"we ask {payment.amount}, the provider {intent.amount}"
    if (intent.payment_id, intent.saga_id) != (payment.id, payment.saga_id):
        yield f"the provider's metadata names payment {intent.payment_id or 'none'} of saga {intent.saga_id}"
    saga = snapshot.saga_by_id.get(payment.saga_id)
    if saga is not None and snapshot.is_with_a_person(saga):
        return  # its books are closed by hand
    if not _same_status(payment, intent):
        yield f"we say {payment.status}, the provider {intent.status}"
    elif intent.received_minor != payment.received_minor:
        yield f"we received {payment.received_minor}, the provider {intent.received_minor}"


def _same_status(payment: Payment, intent: Intent) -> bool:
    if payment.status == "PENDING":
        return intent.is_payable
    return PROVIDER_STATUS.get(payment.status) == intent.status


def _intent_faults(snapshot: Snapshot, intent: Intent) -> Iterator[str]:
    saga = snapshot.saga_by_id.get(intent.saga_id)
    if saga is None or snapshot.is_with_a_person(saga):
        return
    if saga.payment_id not in snapshot.payment_by_id:
        if intent.id == saga.intent_id and saga.state != "COMPLETED":  # that one is I7's
            yield f"we have no payment {saga.payment_id}"
        return  # our refunds are told with their payment
    yield from _refund_faults(snapshot.refunds_by_intent.get(intent.id, []), intent)


def _refund_faults(ours: list[Refund], intent: Intent) -> Iterator[str]:
    met = set()
    for refund in ours:
        told = counterpart(intent, refund)
        if told is None:
            if refund.status != "FAILED":
                yield f"our refund {refund.id} of {refund.minor} ({refund.status}) is not at the provider"
            continue
        met.add(told.id)
        if told.minor != refund.minor:
            yield f"our refund {refund.id} is of {refund.minor}, the provider's {told.id} of {told.minor}"
        if _meaning(told) != refund.status:
            yield f"our refund {refund.id} is {refund.status}, the provider's {told.id} {told.status}"
    for told in intent.refunds:
        if told.id not in met:
            yield f"the provider's refund {told.id} of {told.minor} ({told.status}) is not in our books"


def counterpart(intent: Intent, refund: Refund) -> ProviderRefund | None:
    """The provider's refund for ours, by its name, else by our id in its metadata."""
    if refund.provider_id:
        return next((told for told in intent.refunds if told.id == refund.provider_id), None)
    return next((told for told in intent.refunds if told.refund_id == refund.id), None)


def _meaning(told: ProviderRefund) -> str:
    if told.status == "succeeded":
        return "SUCCEEDED"
    return "FAILED" if told.status in FAILED_REFUNDS else "PENDING"
