"""I2, I3, I4, I8: the provider's money and ours."""

from __future__ import annotations

from collections.abc import Iterator

from ops.audit.snapshot import PARKED, Breach, Intent, Payment, ProviderRefund, Refund, Saga, Snapshot

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


def unaccounted_money(snapshot: Snapshot) -> Iterator[Breach]:
    """I2: every captured amount = the price of one live lesson + its refunds + what is explicitly parked."""
    for intent in snapshot.intents:
        saga = snapshot.saga_by_id.get(intent.saga_id)
        is_parked = saga is not None and saga.state == PARKED
        if not intent.received_minor or is_parked or not snapshot.is_at_rest(intent.saga_id):
            continue
        left = intent.received_minor - _given_back(snapshot, intent)
        if left >= 0 and left not in _to_keep(snapshot, saga, intent):  # less than nothing is I3's
            yield Breach("I2", (intent.saga_id, intent.id), _unaccounted(saga, intent, left), _give_back(saga))


def excessive_refunds(snapshot: Snapshot) -> Iterator[Breach]:
    """I3: refunds that have not failed never exceed what was captured."""
    for intent in snapshot.intents:
        given = _given_back(snapshot, intent)
        if given > intent.received_minor:
            told = f"intent {intent.id} received {intent.received_minor}, and {given} of it was given back"
            yield Breach("I3", (intent.saga_id, intent.id), told, "claim the difference back; find out who refunded")


def payable_after_the_end(snapshot: Snapshot) -> Iterator[Breach]:
    """I4: no PaymentIntent can still be paid once its booking has ended, nor one that is not the saga's own."""
    for intent in snapshot.intents:
        if not intent.is_payable:
            continue
        wrong = _why_not_payable(snapshot.saga_by_id.get(intent.saga_id), intent)
        if wrong:
            told = f"intent {intent.id} can be paid ({intent.status}), but {wrong}"
            yield Breach("I4", (intent.saga_id, intent.id), told, f"{RECONCILE}, or cancel it at the provider")


def unequal_books(snapshot: Snapshot) -> Iterator[Breach]:
    """I8: our payments and refunds equal the provider's, one by one."""
    for payment in snapshot.payments:
        if snapshot.is_at_rest(payment.saga_id):
            for wrong in _payment_faults(snapshot, payment):
                told = f"payment {payment.id}: {wrong}"
                yield Breach("I8", (payment.id, payment.intent_id), told, f"{RECONCILE}; what stays is to be entered")
    for intent in snapshot.intents:
        if snapshot.is_at_rest(intent.saga_id):
            for wrong in _intent_faults(snapshot, intent):
                yield Breach("I8", (intent.payment_id, intent.id), f"intent {intent.id}: {wrong}", RECONCILE)


def _given_back(snapshot: Snapshot, intent: Intent) -> int:
    """The provider's refunds that have not failed, and ours that it has not been asked for yet."""
    told = sum(refund.minor for refund in intent.refunds if refund.status not in FAILED_REFUNDS)
    ours = snapshot.refunds_by_intent.get(intent.id, [])
    decided = sum(r.minor for r in ours if r.status == "PENDING" and _counterpart(intent, r) is None)
    return told + decided


def _to_keep(snapshot: Snapshot, saga: Saga | None, intent: Intent) -> range:
    """What may be left of an intent's money, in minor units."""
    if saga is None or saga.state != "COMPLETED" or saga.intent_id != intent.id or saga.price is None:
        return range(1)
    if saga.price.currency != intent.amount.currency:
        return range(1)
    booking = snapshot.booking_by_id.get(saga.booking_id)
    is_cancelled = booking is not None and booking.status == "CANCELLED"  # then the policy says how much, up to all
    return range(0 if is_cancelled else saga.price.minor, saga.price.minor + 1)


def _unaccounted(saga: Saga | None, intent: Intent, left: int) -> str:
    told = f"intent {intent.id} received {intent.received_minor} {intent.amount.currency}, {left} of it is left"
    if saga is None:
        return f"{told}, and its saga {intent.saga_id} does not exist"
    if saga.state != "COMPLETED":
        return f"{told}, and its saga is {saga.state}"
    if saga.intent_id != intent.id:
        return f"{told}, and its saga was paid by {saga.intent_id or 'nothing'}"
    return f"{told}, and its lesson costs {saga.price}"


def _give_back(saga: Saga | None) -> str:
    if saga is not None and saga.state == "COMPLETED":
        return "compare price and refunds with the provider's; give back what is too much, or cancel the booking"
    return f"{RECONCILE}: it gives back what belongs to no lesson; else refund it at the provider"


def _why_not_payable(saga: Saga | None, intent: Intent) -> str:
    if saga is None:
        return f"its saga {intent.saga_id} does not exist"
    if saga.is_complete:
        return f"its saga is {saga.state}"
    # While a saga opens or is undone it may not have written down its intent yet.
    if saga.intent_id and saga.intent_id != intent.id and saga.state != "AWAITING_AVAILABILITY":
        return f"its saga has intent {saga.intent_id}"
    return ""


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
    if saga is not None and saga.state == PARKED:
        return  # its books are closed when a person has looked
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
    if saga is None or saga.state == PARKED:
        return
    if saga.payment_id not in snapshot.payment_by_id:
        if intent.id == saga.intent_id and saga.state != "COMPLETED":  # that one is I7's
            yield f"we have no payment {saga.payment_id}"
        return  # our refunds are told with their payment
    yield from _refund_faults(snapshot.refunds_by_intent.get(intent.id, []), intent)


def _refund_faults(ours: list[Refund], intent: Intent) -> Iterator[str]:
    met = set()
    for refund in ours:
        told = _counterpart(intent, refund)
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


def _counterpart(intent: Intent, refund: Refund) -> ProviderRefund | None:
    """The provider's refund for ours, by its name, else by our id in its metadata."""
    if refund.provider_id:
        return next((told for told in intent.refunds if told.id == refund.provider_id), None)
    return next((told for told in intent.refunds if told.refund_id == refund.id), None)


def _meaning(told: ProviderRefund) -> str:
    if told.status == "succeeded":
        return "SUCCEEDED"
    return "FAILED" if told.status in FAILED_REFUNDS else "PENDING"
