"""I2, I3, I4: the provider's money, and what it was paid for."""

from __future__ import annotations

from collections.abc import Iterator

from ops.audit.books import FAILED_REFUNDS, RECONCILE, counterpart
from ops.audit.snapshot import Breach, Snapshot
from ops.audit.things import BY_HAND, Intent, Saga


def unaccounted_money(snapshot: Snapshot) -> Iterator[Breach]:
    """I2: every captured amount = what was sold may keep + its refunds + what is explicitly parked.

    A lesson or a place keeps its price, a cancelled one its price less what the cancel decided, nothing else keeps anything.
    What somebody gave back by hand at the provider comes off what may be kept.
    """
    for intent in snapshot.intents:
        saga = snapshot.saga_by_id.get(intent.saga_id)
        if not intent.received_minor or not snapshot.is_at_rest(intent.saga_id):
            continue
        if saga is not None and snapshot.is_money_parked(saga):
            continue
        left = intent.received_minor - _given_back(snapshot, intent)
        if left >= 0 and left not in _to_keep(snapshot, saga, intent):  # less than nothing is I3's
            cancel = snapshot.cancel_by_purchase.get(intent.saga_id)
            ids = (intent.saga_id, intent.id, *((cancel.id,) if cancel else ()))
            yield Breach("I2", ids, _unaccounted(saga, cancel, intent, left), _give_back(saga, cancel))


def excessive_refunds(snapshot: Snapshot) -> Iterator[Breach]:
    """I3: refunds that have not failed never exceed what was captured."""
    for intent in snapshot.intents:
        given = _given_back(snapshot, intent)
        if given > intent.received_minor:
            told = f"intent {intent.id} received {intent.received_minor}, and {given} of it was given back"
            yield Breach("I3", (intent.saga_id, intent.id), told, "claim the difference back; find out who refunded")


def payable_after_the_end(snapshot: Snapshot) -> Iterator[Breach]:
    """I4: no PaymentIntent can still be paid once what it pays for has ended, nor one that is not the saga's own."""
    for intent in snapshot.intents:
        if not intent.is_payable:
            continue
        wrong = _why_not_payable(snapshot.saga_by_id.get(intent.saga_id), intent)
        if wrong:
            told = f"intent {intent.id} can be paid ({intent.status}), but {wrong}"
            yield Breach("I4", (intent.saga_id, intent.id), told, f"{RECONCILE}, or cancel it at the provider")


def _given_back(snapshot: Snapshot, intent: Intent) -> int:
    """The provider's refunds that have not failed, and ours that it has not been asked for yet."""
    told = sum(refund.minor for refund in intent.refunds if refund.status not in FAILED_REFUNDS)
    saga = snapshot.saga_by_id.get(intent.saga_id)
    if saga is not None and snapshot.is_with_a_person(saga):
        return told  # a person may have made them by hand instead
    ours = snapshot.refunds_by_intent.get(intent.id, [])
    return told + sum(r.minor for r in ours if r.status == "PENDING" and counterpart(intent, r) is None)


def _given_by_hand(snapshot: Snapshot, intent: Intent) -> int:
    """The provider's refunds that none of our decisions asked for."""
    asked = (r for r in snapshot.refunds_by_intent.get(intent.id, []) if r.reason != BY_HAND)
    ours = {found.id for refund in asked if (found := counterpart(intent, refund))}
    return sum(r.minor for r in intent.refunds if r.id not in ours and r.status not in FAILED_REFUNDS)


def _to_keep(snapshot: Snapshot, saga: Saga | None, intent: Intent) -> range:
    """What may be left of an intent's money, in minor units."""
    most = _most_to_keep(snapshot, saga, intent)
    least = 1 if most and _is_to_come(snapshot, saga) else 0
    return range(max(most - _given_by_hand(snapshot, intent), least), most + 1)


def _most_to_keep(snapshot: Snapshot, saga: Saga | None, intent: Intent) -> int:
    if saga is None or saga.intent_id != intent.id or saga.price is None:
        return 0
    if saga.price.currency != intent.amount.currency:
        return 0
    if saga.state == "COMPLETED":
        cancel = snapshot.cancel_by_purchase.get(saga.id)
        return saga.price.minor - _due(cancel) if cancel else saga.price.minor
    # A person cancelled before the payment was known: what raced it goes back by the same decision.
    return intent.received_minor - saga.refund_due.minor if _was_cancelled(saga) and saga.refund_due else 0


def _is_to_come(snapshot: Snapshot, saga: Saga | None) -> bool:
    """A lesson still to come, and a place, is not given away: who gives all its money back by hand cancels it too."""
    if saga is None or saga.state != "COMPLETED" or saga.id in snapshot.cancel_by_purchase:
        return False
    session = snapshot.session_by_id.get(saga.session_id)
    return session is None or session.status != "COMPLETED"


def _due(cancel: Saga) -> int:
    return cancel.refund_due.minor if cancel.refund_due else 0


def _was_cancelled(saga: Saga) -> bool:
    return saga.refund_due is not None and saga.state in ("CANCELLED", "REFUNDED")


def _unaccounted(saga: Saga | None, cancel: Saga | None, intent: Intent, left: int) -> str:
    told = f"intent {intent.id} received {intent.received_minor} {intent.amount.currency}, {left} of it is left"
    if saga is None:
        return f"{told}, and its saga {intent.saga_id} does not exist"
    if saga.intent_id != intent.id:
        return f"{told}, and its saga was paid by {saga.intent_id or 'nothing'}"
    if cancel is not None:
        return f"{told}, and cancel {cancel.id} decided that {_due(cancel)} of {saga.price} goes back"
    if saga.state != "COMPLETED":
        decided = f", with {saga.refund_due.minor} to go back" if saga.refund_due else ""
        return f"{told}, and its saga is {saga.state}{decided}"
    return f"{told}, and its {'place' if saga.course_id else 'lesson'} costs {saga.price}"


def _give_back(saga: Saga | None, cancel: Saga | None) -> str:
    if cancel is not None:
        return f"{RECONCILE}; if it stays, give back by hand at the provider what is missing, or claim back the rest"
    if saga is not None and saga.state == "COMPLETED":
        return "compare price and refunds with the provider's; give back what is too much, or cancel what was sold"
    return f"{RECONCILE}: it gives back what belongs to nothing sold; else refund it at the provider"


def _why_not_payable(saga: Saga | None, intent: Intent) -> str:
    if saga is None:
        return f"its saga {intent.saga_id} does not exist"
    if saga.is_complete:
        return f"its saga is {saga.state}"
    # While a saga opens or is undone it may not have written down its intent yet.
    if saga.intent_id and saga.intent_id != intent.id and saga.state != "AWAITING_AVAILABILITY":
        return f"its saga has intent {saga.intent_id}"
    return ""
