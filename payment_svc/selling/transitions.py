"""The transitions of a purchase, as pure functions: on to what is sold, back, and how it ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mesh.money import Money
from payment_svc.domain import END_OF_UNDO, Intent, PaymentStatus, Received, Saga, SagaError, State, Transition, Undo
from payment_svc.domain.owed import owed_by_undo


def reject(saga: Saga, error: SagaError) -> Transition:
    """The order is refused, and nothing of it is left."""
    return Transition(saga, State.REJECTED, "rejected", error.reason, error=error, announces=State.REJECTED)


def await_payment(saga: Saga, event: str = "", payment: PaymentStatus | None = None) -> Transition:
    """Sleep until the provider reports a payment or the hold ends."""
    return Transition(saga, State.AWAITING_PAYMENT, event, await_payment=True, payment=payment)


def learn_declines(saga: Saga, intent: Intent, charges: Iterable[str]) -> Saga:
    """The saga that knows of these declined attempts to pay, and why the latest of them was declined."""
    facts = saga.purchase_facts
    declined = tuple(sorted({*facts.declined_charges, *charges}))
    return saga.with_facts(declined_charges=declined, decline_reason=intent.decline_reason or facts.decline_reason)


def skip_payment(saga: Saga) -> Transition:
    """Nothing is to be paid: on to the pivot."""
    return Transition(saga, State.BOOKING_SESSION, "nothing_to_pay", keep_lease=True)


def follow_intent(saga: Saga, intent: Intent) -> Transition:
    """The transition that an ended intent asks for: a payment of exactly the price goes on, everything else turns back."""
    received, price = intent.money, saga.price
    assert price is not None and intent.has_ended
    saga = saga.with_facts(client_secret="")
    if intent.has_failed:
        return turn_back(saga, Undo.DECLINED, "the provider says that it failed")
    if intent.canceled:
        return turn_back(saga, Undo.CANCELLED, "the intent was cancelled")
    if not received.is_exactly(price):
        detail = f"received {received.amount_minor} {received.currency}"
        return turn_back(saga, Undo.AMOUNT_MISMATCH, detail, received)
    return Transition(
        saga,
        State.BOOKING_SESSION,
        "payment_succeeded",
        keep_lease=True,
        payment=PaymentStatus.SUCCEEDED,
        received=received,
    )


def turn_back(saga: Saga, why: Undo, detail: str = "", received: Received | None = None) -> Transition:
    """From here on the saga is undone. How its booking will end is decided and committed now."""
    paid = Received(saga.price.amount_minor, saga.price.currency) if _was_paid(saga, why) and saga.price else received
    return Transition(
        saga.with_facts(undo=why, ends_as=_end_of_undo(saga, why), paid=paid),
        State.COMPENSATING,
        f"undo_{why.value.lower()}",
        detail,
        keep_lease=True,
        payment=PaymentStatus.SUCCEEDED if received else None,
        received=received,
    )


def _was_paid(saga: Saga, why: Undo) -> bool:
    """True when exactly the price had been received before the saga turned back."""
    return why is Undo.SLOT_LOST and not saga.is_free


def learn_paid(saga: Saga, intent: Intent) -> Transition:
    """The intent of an undone saga was paid: it can no longer be cancelled, and its money goes back with the rest."""
    return Transition(
        saga.with_facts(paid=intent.money, client_secret=""),
        State.COMPENSATING,
        "paid_while_undone",
        keep_lease=True,
        payment=PaymentStatus.SUCCEEDED,
        received=intent.money,
    )


def complete(saga: Saga) -> Transition:
    """Sold."""
    return Transition(saga.with_facts(client_secret=""), State.COMPLETED, "completed", announces=State.COMPLETED)


def announce_end(saga: Saga, end: State | None, event: str = "") -> Transition:
    """What was sold has ended, and this commit writes the message about it. The refund starts after this commit."""
    return Transition(saga.with_facts(has_ended=True), State.COMPENSATING, event, keep_lease=True, announces=end)


def end_undone(saga: Saga, intent: Intent | None) -> Transition:
    """The last transition of an undone saga. `intent` is its closed intent, and its refund has succeeded.

    | the saga | ends as |
    |---|---|
    | was refused, made no intent and recorded nothing | REJECTED |
    | was paid, and owes some of it | REFUNDED |
    | was paid, and owes nothing of it | CANCELLED |
    | was not paid | as its booking |
    """
    announces = end_to_announce(saga)
    saga = saga.with_facts(client_secret="")
    facts = saga.purchase_facts
    if facts.undo is Undo.REFUSED and intent is None and not facts.is_recorded:
        assert facts.refusal is not None
        return reject(saga, facts.refusal)
    if intent is not None and intent.succeeded:
        end = State.REFUNDED if owed_by_undo(saga, intent).amount.amount_minor else State.CANCELLED
        paid = PaymentStatus.SUCCEEDED
        return Transition(saga, end, end.value.lower(), payment=paid, received=intent.money, announces=announces)
    end = end_of_sale(saga)
    if intent is None:
        return Transition(saga, end, end.value.lower(), announces=announces)
    has_failed = facts.undo in (Undo.DECLINED, Undo.PROVIDER_REFUSED)
    closed = PaymentStatus.FAILED if has_failed else PaymentStatus.CANCELLED
    return Transition(
        saga.with_facts(was_closed_unpaid=True), end, end.value.lower(), payment=closed, announces=announces
    )


def end_of_sale(saga: Saga) -> State:
    """The final status of an undone saga's booking. The first commit of the undo fixes it."""
    facts = saga.purchase_facts
    assert facts.undo is not None
    return facts.ends_as or _end_of_undo(saga, facts.undo)


def end_to_announce(saga: Saga) -> State | None:
    """The end that people are to be told; None when they have been told, or never saw a booking."""
    facts = saga.purchase_facts
    return end_of_sale(saga) if facts.is_recorded and not facts.has_ended else None


def _end_of_undo(saga: Saga, why: Undo) -> State:
    """The final status of the booking for this reason, by the clock of this commit."""
    if why is Undo.SLOT_LOST or why is Undo.AMOUNT_MISMATCH:
        return State.EXPIRED if saga.hold_is_over else State.CANCELLED
    return END_OF_UNDO[why]


def with_intent(saga: Saga, intent: Intent) -> Saga:
    """The saga with its intent. A saga that does not know its price learns it: the intent was made with it."""
    price = saga.price or Money(intent.amount, intent.currency)
    learned = saga.with_facts(client_secret=intent.client_secret, price=price)
    return replace(learned, payment_intent_id=intent.id)
