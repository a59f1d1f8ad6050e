"""What a provider's event means to its saga, as pure functions.

Whoever asks holds the lock on the saga's row, or commits the verdict only if the row is still the same.

An event is a hint. It is taken at its word only where the provider can never take it back: a succeeded or canceled
intent. Every other event makes somebody look at the intent as it is now.
"""

from __future__ import annotations

from dataclasses import replace

from payment_svc.domain import Intent, ProviderEvent, Saga, State, Transition, Undo
from payment_svc.selling.transitions import await_payment, follow_intent, learn_declines, learn_paid, turn_back
from payment_svc.store.events import Apply, Ignore, Park, Signal, ToInbox, Verdict

CREATED, SUCCEEDED = "payment_intent.created", "payment_intent.succeeded"
DECLINED, CANCELED = "payment_intent.payment_failed", "payment_intent.canceled"
#: What happens to money after it was received. The event's object names its intent.
REFUNDS = frozenset({"refund.created", "refund.updated", "refund.failed", "charge.refunded", "charge.refund.updated"})
DISPUTES = frozenset({"charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed"})
LATER = REFUNDS | DISPUTES
#: What a webhook endpoint is to ask for (docs/going-live.md).
ASKED_FOR = frozenset({SUCCEEDED, DECLINED, CANCELED}) | LATER
#: An endpoint of an earlier version sends `created` too: it tells of an orphaned intent before reconcile finds it.
HANDLED = ASKED_FOR | {CREATED}


def judge(event: ProviderEvent, saga: Saga | None, max_attempts: int) -> Verdict:
    """What an event means to its saga as it stands.

    | the event | verdict |
    |---|---|
    | of an intent that is not ours | ignore |
    | whose object cannot be read | park, and let an open saga look at the intent |
    | of an orphaned intent (it carries our saga's id, but is not the saga's) | to the inbox |
    | `created` | ignore |
    | after the saga's end | see `_judge_after_end` |
    | while the saga is undone | see `_judge_while_undoing` |
    | of a refund or a dispute | to the inbox |
    | while the saga is past its payment, or waits for nothing but its money | ignore |
    | while the saga awaits its payment and nobody runs it | see `_judge_while_waiting` |
    | in any other state | signal the saga |
    """
    if saga is None:
        return Ignore()
    if event.unreadable:
        return Park(event.unreadable)
    is_sagas_own = event.intent_id == saga.payment_intent_id
    if not is_sagas_own and (saga.payment_intent_id is not None or saga.is_complete):
        return _send_to_inbox(event)
    if event.type == CREATED:
        return Ignore()
    if saga.is_complete:
        return _judge_after_end(event, saga)
    if saga.state is State.COMPENSATING:
        return _judge_while_undoing(event, saga, is_sagas_own)
    if event.type in LATER:
        return _send_to_inbox(event)
    if saga.state is State.BOOKING_SESSION or saga.has_ended:
        return Ignore()
    if saga.state is not State.AWAITING_PAYMENT or saga.is_leased or event.intent is None:
        return Signal()
    return _judge_while_waiting(event, event.intent, saga, max_attempts)


def _judge_after_end(event: ProviderEvent, saga: Saga) -> Verdict:
    if event.type in LATER:
        return _send_to_inbox(event)
    knows_the_payment = saga.state in (State.COMPLETED, State.REFUNDED) and saga.resolution is None
    return Ignore() if knows_the_payment or event.type != SUCCEEDED else ToInbox()


def _judge_while_undoing(event: ProviderEvent, saga: Saga, is_sagas_own: bool) -> Verdict:
    """An undo closes the intent and asks about its refund in its own time.

    So a refund that keeps failing is not made again at the speed of its own events. The sleep of an undo ends when the
    money is back, and when the intent that it could not close has ended.
    """
    if event.type in DISPUTES:
        return ToInbox()
    if event.type == SUCCEEDED and is_sagas_own:
        return _hear_payment(event, saga)
    is_closed = event.type == CANCELED and not saga.is_leased
    return Signal() if is_closed or _says_money_is_back(event) else Ignore()


def _hear_payment(event: ProviderEvent, saga: Saga) -> Verdict:
    """The intent was paid while its saga was undone, so it can no longer be cancelled: the saga need not try.

    A run of the saga that is at work loses the fence. It cannot have undone anything, because it closes the intent first.
    """
    intent, facts = event.intent, saga.purchase_facts
    if facts.has_ended or facts.paid is not None or facts.undo in (Undo.SLOT_LOST, Undo.AMOUNT_MISMATCH):
        return Ignore()
    if intent is None or not intent.succeeded or facts.undo is None:
        return Signal()
    follow = follow_intent if facts.undo.yields_to_payment else learn_paid
    return Apply(_take_over(follow(saga, intent)))


def _send_to_inbox(event: ProviderEvent) -> Verdict:
    """The events of a refund can wait for its backoff. The event that the money is back cannot."""
    return ToInbox(can_wait=event.type in REFUNDS and not _says_money_is_back(event))


def _says_money_is_back(event: ProviderEvent) -> bool:
    return event.type in REFUNDS and event.object == "refund" and event.status == "succeeded"


def _judge_while_waiting(event: ProviderEvent, intent: Intent, saga: Saga, max_attempts: int) -> Verdict:
    if event.type in (SUCCEEDED, CANCELED) or intent.has_failed:
        return Apply(_take_over(follow_intent(saga, intent))) if intent.has_ended else Signal()
    facts = saga.purchase_facts
    if intent.failed_charge is None:
        has_reason = intent.decline_reason not in (None, facts.decline_reason)
        return Apply(_take_over(await_payment(learn_declines(saga, intent, ())))) if has_reason else Ignore()
    if intent.failed_charge in facts.declined_charges:
        return Ignore()
    saga = learn_declines(saga, intent, (intent.failed_charge,))
    if len(facts.declined_charges) + 1 >= max_attempts:
        return Apply(_take_over(turn_back(saga, Undo.DECLINED, f"{max_attempts} attempts declined")))
    return Apply(_take_over(await_payment(saga, "payment_declined")))


def _take_over(transition: Transition) -> Transition:
    """The same transition, after which a stalled owner has lost the fence."""
    return replace(transition, takes_over=True)


def knows_less(saga: Saga, intent: Intent) -> bool:
    """True when a waiting saga does not know yet what its intent shows."""
    facts = saga.purchase_facts
    is_declined = bool(intent.failed_charge) and intent.failed_charge not in facts.declined_charges
    return intent.has_ended or is_declined or intent.decline_reason not in (None, facts.decline_reason)
