"""I2, I3, I4: the money at the provider, and what it was paid for."""

from __future__ import annotations

from collections.abc import Iterator

from ops.audit.invariants.provider_agreement import FAILED_REFUNDS, RECONCILE, counterpart
from ops.audit.records import BY_HAND, Intent, Saga
from ops.audit.snapshot import Breach, Snapshot


def find_unaccounted_money(snapshot: Snapshot) -> Iterator[Breach]:
    """I2: every captured amount is kept for a sale, or refunded, or explicitly parked.

    | purchase | keeps |
    |---|---|
    | sold | its price |
    | cancelled | its price less the cancel's refund decision |
    | anything else | nothing |

    A refund that a person made at the provider reduces what may be kept.
    """
    for intent in snapshot.intents:
        saga = snapshot.saga_by_id.get(intent.saga_id)
        if not intent.received_minor or not snapshot.is_quiescent(intent.saga_id):
            continue
        if saga is not None and snapshot.is_money_parked(saga):
            continue
        left = intent.received_minor - _refunded(snapshot, intent)
        if left >= 0 and left not in _may_keep(snapshot, saga, intent):  # I3 judges a negative rest
            cancel = snapshot.cancel_by_purchase.get(intent.saga_id)
            ids = (intent.saga_id, intent.id, *((cancel.id,) if cancel else ()))
            yield Breach("I2", ids, _describe_rest(saga, cancel, intent, left), _advise_refund(saga, cancel))


def find_excessive_refunds(snapshot: Snapshot) -> Iterator[Breach]:
    """I3: refunds that have not failed never exceed what was captured."""
    for intent in snapshot.intents:
        refunded = _refunded(snapshot, intent)
        if refunded > intent.received_minor:
            what = f"intent {intent.id} received {intent.received}, and {intent.of(refunded)} of it was given back"
            yield Breach("I3", (intent.saga_id, intent.id), what, "claim the difference back; find out who refunded")


def find_payable_intents(snapshot: Snapshot) -> Iterator[Breach]:
    """I4: a PaymentIntent can be paid only while its saga is open and names it as its own."""
    for intent in snapshot.intents:
        if not intent.is_payable:
            continue
        wrong = _why_not_payable(snapshot.saga_by_id.get(intent.saga_id), intent)
        if wrong:
            what = f"intent {intent.id} can be paid ({intent.status}), but {wrong}"
            yield Breach("I4", (intent.saga_id, intent.id), what, f"{RECONCILE}, or cancel it at the provider")


def _refunded(snapshot: Snapshot, intent: Intent) -> int:
    """The provider's refunds that have not failed, plus our pending ones that have not reached the provider."""
    theirs = sum(refund.minor for refund in intent.refunds if refund.status not in FAILED_REFUNDS)
    saga = snapshot.saga_by_id.get(intent.saga_id)
    if saga is not None and snapshot.is_with_a_person(saga):
        return theirs  # a person may have made our pending refunds by hand
    ours = snapshot.refunds_by_intent.get(intent.id, [])
    return theirs + sum(r.minor for r in ours if r.status == "PENDING" and counterpart(intent, r) is None)


def _refunded_by_hand(snapshot: Snapshot, intent: Intent) -> int:
    """The provider's refunds that no refund decision of ours asked for."""
    decided = (r for r in snapshot.refunds_by_intent.get(intent.id, []) if r.reason != BY_HAND)
    ours = {theirs.id for refund in decided if (theirs := counterpart(intent, refund))}
    return sum(r.minor for r in intent.refunds if r.id not in ours and r.status not in FAILED_REFUNDS)


def _may_keep(snapshot: Snapshot, saga: Saga | None, intent: Intent) -> range:
    """How much of an intent's money may be left, in minor units."""
    most = _keep_at_most(snapshot, saga, intent)
    least = 1 if most and _is_to_come(snapshot, saga) else 0
    return range(max(most - _refunded_by_hand(snapshot, intent), least), most + 1)


def _keep_at_most(snapshot: Snapshot, saga: Saga | None, intent: Intent) -> int:
    if saga is None or saga.intent_id != intent.id or saga.price is None:
        return 0
    if saga.price.currency != intent.amount.currency:
        return 0
    if saga.state == "COMPLETED":
        cancel = snapshot.cancel_by_purchase.get(saga.id)
        return saga.price.minor - _refund_due(cancel) if cancel else saga.price.minor
    # A person cancelled before the payment was known. A payment that came meanwhile follows the same refund decision.
    return intent.received_minor - saga.refund_due.minor if _was_cancelled(saga) and saga.refund_due else 0


def _is_to_come(snapshot: Snapshot, saga: Saga | None) -> bool:
    """True for a lesson still to come, and for a seat: neither may be free, so some money must be left.

    A person who refunds all of it by hand has to cancel it as well.
    """
    if saga is None or saga.state != "COMPLETED" or saga.id in snapshot.cancel_by_purchase:
        return False
    session = snapshot.session_by_id.get(saga.session_id)
    return session is None or session.status != "COMPLETED"


def _refund_due(cancel: Saga) -> int:
    return cancel.refund_due.minor if cancel.refund_due else 0


def _was_cancelled(saga: Saga) -> bool:
    return saga.refund_due is not None and saga.state in ("CANCELLED", "REFUNDED")


def _describe_rest(saga: Saga | None, cancel: Saga | None, intent: Intent, left: int) -> str:
    rest = f"intent {intent.id} received {intent.received}, {intent.of(left)} of it is left"
    if saga is None:
        return f"{rest}, and its saga {intent.saga_id} does not exist"
    if saga.intent_id != intent.id:
        return f"{rest}, and its saga was paid by {saga.intent_id or 'nothing'}"
    if cancel is not None:
        return f"{rest}, and cancel {cancel.id} decided that {intent.of(_refund_due(cancel))} of {saga.price} goes back"
    if saga.state != "COMPLETED":
        decided = f", with {saga.refund_due} to go back" if saga.refund_due else ""
        return f"{rest}, and its saga is {saga.state}{decided}"
    return f"{rest}, and its {'place' if saga.course_id else 'lesson'} costs {saga.price}"


def _advise_refund(saga: Saga | None, cancel: Saga | None) -> str:
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
    # A saga that opens its payment, or undoes it, may not have stored the intent's id yet.
    if saga.intent_id and saga.intent_id != intent.id and saga.state != "AWAITING_AVAILABILITY":
        return f"its saga has intent {saga.intent_id}"
    return ""
