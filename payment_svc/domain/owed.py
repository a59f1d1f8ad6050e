"""What is owed, and to whom: how much of what was paid goes back. Pure functions over rows and provider answers.

| question | function |
|---|---|
| What would a cancel by this person give back now? | `decide_cancel` |
| What does an undone purchase give back of its intent? | `owed_by_undo` |
| What does the cancel of a completed purchase give back? | `owed_by_cancel` |
| How much of an intent still has to be refunded, once no saga looks after it? | `owed_after_end` |

A policy is text. Hours are elapsed hours. The saga freezes the text at purchase, so later settings change nothing.

| policy | counts | example | means |
|---|---|---|---|
| CANCELLATION_POLICY | hours left before the lesson | 24h:100,2h:50 | 100 % from 24 h on, 50 % from 2 h on, else 0 % |
| ENROLLMENT_POLICY | hours since the payment | 336h:100 | 100 % until 336 h have passed, then 0 % |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from mesh.errors import TryAgain
from mesh.money import Money
from payment_svc.domain.facts import CancelDecision
from payment_svc.domain.intents import Intent
from payment_svc.domain.kinds import BOOK, ENROLL
from payment_svc.domain.payments import Payment, Received, Refund, RefundDecision
from payment_svc.domain.refusals import NotCancellable
from payment_svc.domain.saga import Saga
from payment_svc.domain.states import RefundStatus, State

#: The states in which a purchase has been paid.
PAID = frozenset({State.BOOKING_SESSION, State.COMPLETED})


@dataclass(frozen=True, slots=True)
class Share:
    """How much goes back, and the rule that says so in words."""

    percent: int
    rule: str

    def of(self, paid: Money) -> Money:
        """This share of an amount, rounded half-even to what the provider can give back, and never more than was paid."""
        return min(paid.portion(self.percent, 100), paid) if self.percent < 100 else paid


#: A dispute was lost: the cardholder's bank has taken the money back, and nothing is left to refund.
CHARGED_BACK = Share(0, "the payment was charged back: 0 %")


def share_before_lesson(policy: str, before_start: timedelta) -> Share:
    """The share that a student's cancel gives back this long before the lesson."""
    rules = sorted((_rule(text) for text in policy.split(",")), reverse=True)
    for hours, percent in rules:
        if before_start >= timedelta(hours=hours):
            return Share(percent, f"{hours} h or more before the lesson: {percent} %")
    return Share(0, f"less than {rules[-1][0]} h before the lesson: 0 %")


def share_since_payment(policy: str, since_paid: timedelta) -> Share:
    """The share that a student's cancel gives back this long after the enrollment was paid."""
    rules = sorted(_rule(text) for text in policy.split(","))
    for hours, percent in rules:
        if since_paid <= timedelta(hours=hours):
            return Share(percent, f"within {hours} h of the payment: {percent} %")
    return Share(0, f"more than {rules[-1][0]} h after the payment: 0 %")


def list_rules(policy: str) -> list[tuple[int, int]]:
    """The rules of a policy as (hours, percent), the most generous first."""
    return sorted((_rule(text) for text in policy.split(",")), key=lambda rule: -rule[1]) if policy else []


def _rule(text: str) -> tuple[int, int]:
    hours, _, percent = text.partition("h:")
    return int(hours), int(percent)


@dataclass(frozen=True, slots=True)
class Terms:
    """How one kind of purchase is taken back.

    `student_share` says what a student's own cancel gives back. Anybody else's cancel gives back everything.
    """

    sold_by: str  # the kind of saga that sells it
    teacher: str  # what its teacher is called
    student_share: Callable[[Saga], Share]


def _share_of_lesson(purchase: Saga) -> Share:
    left = purchase.lesson.start - purchase.loaded_at
    if left.total_seconds() <= 0:
        raise NotCancellable("the lesson has begun")
    return share_before_lesson(purchase.purchase_facts.policy, left)


def _share_of_enrollment(purchase: Saga) -> Share:
    """Counted from the commit that made the enrollment active, so that a slow saga costs its student nothing."""
    is_active = purchase.state is State.COMPLETED
    since = purchase.loaded_at - (purchase.state_since if is_active else purchase.loaded_at)
    return share_since_payment(purchase.purchase_facts.policy, since)


LESSON_TERMS = Terms(BOOK, "tutor", _share_of_lesson)
COURSE_TERMS = Terms(ENROLL, "instructor", _share_of_enrollment)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a cancel would do now, and the state of the payment that this holds for."""

    decision: CancelDecision
    refund: Money
    payment_state: str


def decide_cancel(terms: Terms, purchase: Saga, payment: Payment | None, by: str) -> Offer:
    """What a cancel `by` this person (student, tutor, instructor, admin, platform) would do now.

    Raises NotCancellable once the purchase has ended or its lesson has begun, and TryAgain while it is under way.
    """
    if purchase.state not in PAID and purchase.state is not State.AWAITING_PAYMENT:
        if purchase.has_ended:
            raise NotCancellable
        raise TryAgain
    everything = Share(100, f"cancelled by the {terms.teacher} or the platform: 100 %")
    share = terms.student_share(purchase) if by == "student" else everything
    price = purchase.price
    assert price is not None
    if purchase.state not in PAID:
        return _offer(by, replace(share, rule="nothing has been paid"), Money(0, price.currency), "unpaid")
    if payment is not None and payment.charged_back:
        return _offer(by, CHARGED_BACK, Money(0, price.currency), "charged back")
    given, left = (payment.given_minor, payment.left_minor) if payment else (0, 0)
    due = min(share.of(price).amount_minor, left)
    return _offer(by, share, Money(due, price.currency), f"paid, {given} back")


def _offer(by: str, share: Share, refund: Money, payment_state: str) -> Offer:
    return Offer(CancelDecision(by, share.percent, share.rule, refund.amount_minor), refund, payment_state)


def decide_full_refund(intent_id: str, received: Received, reason: str) -> RefundDecision:
    """Everything of an intent goes back. The name has only the intent's id, so two callers make one refund."""
    return RefundDecision(f"{intent_id}:full", intent_id, Money(received.amount_minor, received.currency), reason)


def owed_by_undo(saga: Saga, intent: Intent) -> RefundDecision:
    """What an undone purchase gives back of its paid intent.

    That is everything, except when a person had cancelled it and exactly the price came: then the decided percentage.
    """
    facts = saga.purchase_facts
    assert facts.undo is not None
    everything = decide_full_refund(intent.id, intent.money, facts.undo.value.lower())
    if facts.cancel is None or saga.price is None or not intent.money.is_exactly(saga.price):
        return everything
    return replace(everything, amount=Share(facts.cancel.percent, "").of(saga.price))


def name_cancel_refund(cancel_id: object, intent_id: str, amount: Money) -> RefundDecision:
    """The refund decision of the cancel with this id."""
    return RefundDecision(f"cancel:{cancel_id}", intent_id, amount, "cancelled")


def owed_by_cancel(cancel: Saga) -> RefundDecision | None:
    """What the cancel of a completed purchase gives back; None when nothing is due."""
    due = cancel.refund_due
    if due is None or not due.amount_minor:
        return None
    return name_cancel_refund(cancel.id, cancel.taken_back.intent_id, due)


def owed_after_end(saga: Saga, cancel: Saga | None, intent: Intent, refunds: list[Refund]) -> RefundDecision | None:
    """How much of an intent still has to be refunded; None when nothing.

    `saga` is the purchase that the intent names, `cancel` the cancel of it, `refunds` those of the intent.
    """
    if not intent.succeeded:
        return None
    decision = _owed_in_all(saga, cancel, intent)
    given = sum(refund.amount.amount_minor for refund in refunds if _is_under_way(refund))
    return decision if decision is not None and given < decision.amount.amount_minor else None


def _is_under_way(refund: Refund) -> bool:
    """True once the provider has the refund. A row that the provider never received does not count."""
    return refund.status is not RefundStatus.FAILED and refund.provider_refund_id is not None


def _owed_in_all(saga: Saga, cancel: Saga | None, intent: Intent) -> RefundDecision | None:
    """
    | the intent | what goes back of it |
    |---|---|
    | is not the saga's own | everything |
    | paid a purchase that was cancelled after completion | what the cancel decided |
    | paid a completed purchase | nothing |
    | was closed unpaid, or its saga expired, or a person resolved it | everything |
    | was paid while a person cancelled | what that cancel decided |
    """
    everything = decide_full_refund(intent.id, intent.money, "late_money")
    if intent.id != saga.payment_intent_id:
        return everything
    if cancel is not None:
        return owed_by_cancel(cancel)
    if saga.state is State.COMPLETED:
        return None
    due = saga.refund_due
    if (
        due is None
        or saga.state is State.EXPIRED
        or saga.purchase_facts.was_closed_unpaid
        or saga.resolution is not None
    ):
        return everything
    return replace(everything, amount=due)
