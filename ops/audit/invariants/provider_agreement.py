"""I8: our payments and refunds equal the provider's, one by one."""

from __future__ import annotations

from collections.abc import Iterator

from ops.audit.records import Intent, Payment, ProviderRefund, Refund, Saga
from ops.audit.snapshot import Breach, Snapshot

#: The provider's status for each of ours (Stripe: PaymentIntent statuses). PENDING may be any payable status.
PROVIDER_STATUS = {
    "SUCCEEDED": "succeeded",
    "PARTIALLY_REFUNDED": "succeeded",
    "REFUNDED": "succeeded",
    "FAILED": "canceled",
    "CANCELLED": "canceled",
}
#: Statuses in which the amounts must be equal. A payment whose amount was changed at the provider is refunded in
#: full, and its amounts stay different.
EQUAL_AMOUNT = frozenset({"PENDING", "SUCCEEDED", "PARTIALLY_REFUNDED"})
FAILED_REFUNDS = frozenset({"failed", "canceled"})
RECONCILE = "run `tutormesh reconcile`"
RESEND_EVENTS = "if it stays, have the provider send its events again"


def find_disagreements(snapshot: Snapshot) -> Iterator[Breach]:
    """I8: our payments and refunds equal the provider's, one by one."""
    for payment in snapshot.payments:
        if snapshot.is_quiescent(payment.saga_id):
            for wrong in _payment_faults(snapshot, payment):
                what = f"payment {payment.id}: {wrong}"
                yield Breach("I8", (payment.id, payment.intent_id), what, f"{RECONCILE}; {RESEND_EVENTS}")
    for intent in snapshot.intents:
        if snapshot.is_quiescent(intent.saga_id):
            for wrong in _intent_faults(snapshot, intent):
                what = f"intent {intent.id}: {wrong}"
                yield Breach("I8", (intent.payment_id, intent.id), what, f"{RECONCILE}; {RESEND_EVENTS}")


def _payment_faults(snapshot: Snapshot, payment: Payment) -> Iterator[str]:
    saga, intent = snapshot.saga_by_id.get(payment.saga_id), snapshot.intent_by_id.get(payment.intent_id)
    if intent is None:
        if not _may_be_unknown(snapshot, payment, saga):
            yield f"the provider has no intent {payment.intent_id} of ours"
        return
    is_money_parked = saga is not None and snapshot.is_money_parked(saga)
    if intent.amount != payment.amount and payment.status in EQUAL_AMOUNT and not is_money_parked:
        yield f"we ask {payment.amount}, the provider {intent.amount}"
    if (intent.payment_id, intent.saga_id) != (payment.id, payment.saga_id):
        yield f"the provider's metadata names payment {intent.payment_id or 'none'} of saga {intent.saga_id}"
    if saga is not None and snapshot.is_with_a_person(saga):
        return  # a person closes its books by hand
    if not _is_same_status(payment, intent):
        yield f"we say {payment.status}, the provider {intent.status}"
    elif intent.received_minor != payment.received_minor:
        yield f"we received {intent.of(payment.received_minor)}, the provider {intent.received}"


def _may_be_unknown(snapshot: Snapshot, payment: Payment, saga: Saga | None) -> bool:
    """True for a payment that was closed unpaid, and for one that a person has in hand: no money is at the provider."""
    is_closed_unpaid = payment.status in ("CANCELLED", "FAILED") and not payment.received_minor
    return is_closed_unpaid or (saga is not None and snapshot.is_with_a_person(saga))


def _is_same_status(payment: Payment, intent: Intent) -> bool:
    if payment.status == "PENDING":
        return intent.is_payable
    return PROVIDER_STATUS.get(payment.status) == intent.status


def _intent_faults(snapshot: Snapshot, intent: Intent) -> Iterator[str]:
    saga = snapshot.saga_by_id.get(intent.saga_id)
    if saga is None or snapshot.is_with_a_person(saga):
        return
    if saga.payment_id not in snapshot.payment_by_id:
        if intent.id == saga.intent_id and saga.state != "COMPLETED":  # I7 checks a COMPLETED saga's payment
            yield f"we have no payment {saga.payment_id}"
        return  # our refunds belong to a payment, and there is none
    yield from _refund_faults(snapshot.refunds_by_intent.get(intent.id, []), intent)


def _refund_faults(ours: list[Refund], intent: Intent) -> Iterator[str]:
    matched = set()
    for refund in ours:
        theirs = counterpart(intent, refund)
        if theirs is None:
            if refund.status != "FAILED":
                yield f"our refund {refund.id} of {intent.of(refund.minor)} ({refund.status}) is not at the provider"
            continue
        matched.add(theirs.id)
        if theirs.minor != refund.minor:
            amounts = intent.of(refund.minor), intent.of(theirs.minor)
            yield f"our refund {refund.id} is of {amounts[0]}, the provider's {theirs.id} of {amounts[1]}"
        if _our_status(theirs) != refund.status:
            yield f"our refund {refund.id} is {refund.status}, the provider's {theirs.id} {theirs.status}"
    for theirs in intent.refunds:
        if theirs.id not in matched:
            yield f"the provider's refund {theirs.id} of {intent.of(theirs.minor)} ({theirs.status}) is not in our books"


def counterpart(intent: Intent, refund: Refund) -> ProviderRefund | None:
    """The provider's refund that is ours: by its id when we know it, else by our id in its metadata and its amount."""
    if refund.provider_id:
        return next((theirs for theirs in intent.refunds if theirs.id == refund.provider_id), None)
    of_ours = (refund.id, refund.minor)  # anybody can write metadata at the provider
    return next((theirs for theirs in intent.refunds if (theirs.refund_id, theirs.minor) == of_ours), None)


def _our_status(theirs: ProviderRefund) -> str:
    if theirs.status == "succeeded":
        return "SUCCEEDED"
    return "FAILED" if theirs.status in FAILED_REFUNDS else "PENDING"
