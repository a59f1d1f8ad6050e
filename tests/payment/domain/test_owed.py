"""What is owed, case by case: how much a cancel, an undo and a late payment give back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from mesh.errors import TryAgain
from mesh.money import Money
from payment_svc.domain import (
    BOOK,
    CANCEL_OF,
    CancelDecision,
    CancelFacts,
    EnrollmentFacts,
    Intent,
    LessonFacts,
    NotCancellable,
    Payment,
    PaymentStatus,
    Received,
    Refund,
    RefundStatus,
    Resolution,
    Saga,
    State,
    Undo,
)
from payment_svc.domain.owed import (
    COURSE_TERMS,
    LESSON_TERMS,
    Share,
    decide_cancel,
    decide_full_refund,
    owed_after_end,
    owed_by_cancel,
    owed_by_undo,
    share_before_lesson,
    share_since_payment,
)

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
PRICE = Money(5000, "USD")
HALF = CancelDecision("student", 50, "2 h or more before the lesson: 50 %", 2500)
INTENT = "pi_1"


def saga_of(state: State = State.COMPLETED, *, hours_ahead: float = 30, **facts: Any) -> Saga:
    """A lesson of 50 USD that begins in so many hours."""
    return Saga(
        id=UUID(int=1),
        kind=BOOK,
        version=1,
        state=state,
        student_id=uuid4(),
        tutor_id=uuid4(),
        time_slot=NOW + timedelta(hours=hours_ahead),
        minutes=60,
        sold_id=uuid4(),
        session_id=uuid4(),
        payment_id=uuid4(),
        payment_intent_id=INTENT,
        facts=LessonFacts(**{"policy": "24h:100,2h:50", "price": PRICE, **facts}),
        fence=1,
        signals=0,
        attempt=0,
        error=None,
        is_complete=state is not State.COMPENSATING,
        request_hash=b"",
        lease_owner=None,
        lease_until=None,
        wake_at=None,
        hold_ends=None,
        state_since=NOW,
        created_at=NOW,
        updated_at=NOW,
        loaded_at=NOW,
    )


def cancel_of(purchase: Saga, decision: CancelDecision) -> Saga:
    facts = CancelFacts(purchase.id, decision, PRICE, INTENT, 5000)
    return replace(purchase, id=UUID(int=2), kind=CANCEL_OF[BOOK], state=State.REFUNDED, facts=facts)


def payment_of(purchase: Saga, *, received: int = 5000, refunded: int = 0) -> Payment:
    return Payment(
        id=purchase.payment_id,
        saga_id=purchase.id,
        sold_id=purchase.sold_id,
        session_id=purchase.session_id,
        student_id=purchase.student_id,
        tutor_id=purchase.tutor_id,
        amount=PRICE,
        stored_status=PaymentStatus.SUCCEEDED,
        context=purchase.payment_context,
        context_id=uuid4(),
        intent_id=INTENT,
        received_minor=received,
        disputed=False,
        created_at=NOW,
        refunded_minor=refunded,
    )


def intent_of(
    received: int = 5000, *, intent_id: str = INTENT, currency: str = "USD", status: str = "succeeded"
) -> Intent:
    return Intent(intent_id, status, "", 5000, currency, received, UUID(int=1), None, None)


def refund_of(amount: int, status: RefundStatus, provider_id: str | None = "re_1") -> Refund:
    return Refund(uuid4(), uuid4(), UUID(int=1), INTENT, Money(amount, "USD"), status, "cancelled", provider_id)


@pytest.mark.parametrize(("hours", "percent"), [(100, 100), (24, 100), (23.99, 50), (2, 50), (1.99, 0), (0, 0)])
def test_a_lessons_policy_counts_the_hours_before_it(hours: float, percent: int) -> None:
    assert share_before_lesson("2h:50,24h:100", timedelta(hours=hours)).percent == percent


@pytest.mark.parametrize(("hours", "percent"), [(0, 100), (336, 100), (336.01, 20), (500, 20), (500.01, 0)])
def test_an_enrollments_policy_counts_the_hours_since_the_payment(hours: float, percent: int) -> None:
    assert share_since_payment("500h:20,336h:100", timedelta(hours=hours)).percent == percent


@pytest.mark.parametrize(
    ("amount", "percent", "share"), [(5000, 50, 2500), (5, 50, 2), (7, 50, 4), (99, 0, 0), (1, 100, 1)]
)
def test_a_share_is_rounded_half_even_to_a_minor_unit(amount: int, percent: int, share: int) -> None:
    assert Share(percent, "").of(Money(amount, "USD")) == Money(share, "USD")


@pytest.mark.parametrize(
    ("by", "hours_ahead", "refund"),
    [
        ("student", 30, 5000),
        ("student", 10, 2500),
        ("student", 1, 0),
        ("tutor", 1, 5000),
        ("platform", 1, 5000),
        ("admin", 1, 5000),
        ("tutor", -1, 5000),
    ],
)
def test_a_cancel_of_a_sold_lesson_gives_back_by_who_cancels_and_when(by: str, hours_ahead: float, refund: int) -> None:
    purchase = saga_of(hours_ahead=hours_ahead)
    offer = decide_cancel(LESSON_TERMS, purchase, payment_of(purchase), by)
    assert (offer.refund, offer.decision.refund_minor, offer.payment_state) == (
        Money(refund, "USD"),
        refund,
        "paid, 0 back",
    )


def test_a_student_cannot_cancel_a_lesson_that_has_begun() -> None:
    purchase = saga_of(hours_ahead=-0.1)
    with pytest.raises(NotCancellable):
        decide_cancel(LESSON_TERMS, purchase, payment_of(purchase), "student")


@pytest.mark.parametrize(("received", "refunded", "refund"), [(5000, 2000, 3000), (5000, 5000, 0), (0, 0, 0)])
def test_a_cancel_never_gives_back_more_than_is_left(received: int, refunded: int, refund: int) -> None:
    purchase = saga_of()
    offer = decide_cancel(LESSON_TERMS, purchase, payment_of(purchase, received=received, refunded=refunded), "student")
    assert (offer.refund.amount_minor, offer.payment_state) == (refund, f"paid, {refunded} back")


def test_an_unpaid_purchase_gives_nothing_back_and_keeps_the_percentage() -> None:
    """A payment that races the cancel goes back by that percentage."""
    offer = decide_cancel(LESSON_TERMS, saga_of(State.AWAITING_PAYMENT, hours_ahead=10), None, "student")
    assert (offer.decision.percent, offer.decision.rule, offer.refund.amount_minor) == (50, "nothing has been paid", 0)


@pytest.mark.parametrize(("state", "refusal"), [(State.EXPIRED, NotCancellable), (State.COMPENSATING, TryAgain)])
def test_what_has_ended_cannot_be_cancelled_and_what_is_undone_not_yet(state: State, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        decide_cancel(LESSON_TERMS, saga_of(state), None, "student")


@pytest.mark.parametrize(("hours", "refund"), [(1, 5000), (337, 0)])
def test_an_enrollment_counts_from_the_commit_that_made_it_active(hours: float, refund: int) -> None:
    active = replace(
        saga_of(), facts=EnrollmentFacts(policy="336h:100", price=PRICE), state_since=NOW - timedelta(hours=hours)
    )
    assert decide_cancel(COURSE_TERMS, active, payment_of(active), "student").refund.amount_minor == refund


@pytest.mark.parametrize(
    ("undo", "cancel", "received", "owed"),
    [
        (Undo.SLOT_LOST, None, 5000, 5000),
        (Undo.AMOUNT_MISMATCH, None, 4999, 4999),
        (Undo.CANCELLED, None, 5000, 5000),
        (Undo.CANCELLED, HALF, 5000, 2500),
        (Undo.CANCELLED, HALF, 4999, 4999),
    ],
)
def test_an_undo_gives_back_everything_or_what_a_person_decided_about_exactly_the_price(
    undo: Undo, cancel: CancelDecision | None, received: int, owed: int
) -> None:
    decision = owed_by_undo(saga_of(State.COMPENSATING, undo=undo, cancel=cancel), intent_of(received))
    assert (decision.amount.amount_minor, decision.intent_id, decision.name) == (owed, INTENT, f"{INTENT}:full")


def test_an_undo_of_a_payment_in_another_currency_gives_back_everything_in_that_currency() -> None:
    undone = saga_of(State.COMPENSATING, undo=Undo.CANCELLED, cancel=HALF)
    assert owed_by_undo(undone, intent_of(currency="EUR")).amount == Money(5000, "EUR")


@pytest.mark.parametrize(("minor", "owed"), [(2500, 2500), (0, None)])
def test_the_cancel_of_a_sold_lesson_gives_back_what_it_decided(minor: int, owed: int | None) -> None:
    decision = owed_by_cancel(cancel_of(saga_of(), replace(HALF, refund_minor=minor)))
    assert (decision.amount.amount_minor if decision else None) == owed


def test_an_intent_that_was_not_paid_owes_nothing() -> None:
    assert owed_after_end(saga_of(State.EXPIRED), None, intent_of(0, status="canceled"), []) is None


@pytest.mark.parametrize(
    ("case", "owed"),
    [
        ({"state": State.COMPLETED}, None),
        ({"state": State.EXPIRED}, 5000),
        ({"state": State.CANCELLED, "undo": Undo.CANCELLED, "cancel": HALF}, 2500),
        ({"state": State.CANCELLED, "undo": Undo.CANCELLED, "cancel": HALF, "was_closed_unpaid": True}, 5000),
        ({"state": State.PAYMENT_FAILED, "was_closed_unpaid": True}, 5000),
    ],
)
def test_a_payment_after_the_end_goes_back_by_how_its_saga_ended(case: dict[str, Any], owed: int | None) -> None:
    decision = owed_after_end(saga_of(**case), None, intent_of(), [])
    assert (decision.amount.amount_minor if decision else None) == owed


def test_a_payment_after_a_persons_resolution_goes_back_whole() -> None:
    resolved = replace(saga_of(State.CANCELLED, cancel=HALF), resolution=Resolution(0))
    decision = owed_after_end(resolved, None, intent_of(), [])
    assert decision == decide_full_refund(INTENT, Received(5000, "USD"), "late_money")


def test_an_orphaned_intent_goes_back_whole_even_of_a_sold_lesson() -> None:
    decision = owed_after_end(saga_of(), None, intent_of(intent_id="pi_2"), [])
    assert decision is not None
    assert (decision.intent_id, decision.amount) == ("pi_2", PRICE)


def test_a_cancelled_lessons_intent_owes_what_the_cancel_decided() -> None:
    purchase = saga_of()
    decision = owed_after_end(purchase, cancel_of(purchase, HALF), intent_of(), [])
    assert decision is not None
    assert decision.amount.amount_minor == 2500


@pytest.mark.parametrize(
    ("known", "is_owed"),
    [
        ([refund_of(5000, RefundStatus.SUCCEEDED)], False),
        ([refund_of(5000, RefundStatus.PENDING)], False),
        ([refund_of(2000, RefundStatus.SUCCEEDED), refund_of(3000, RefundStatus.PENDING)], False),
        ([refund_of(2000, RefundStatus.SUCCEEDED)], True),
        ([refund_of(5000, RefundStatus.FAILED)], True),
        ([refund_of(5000, RefundStatus.PENDING, None)], True),
    ],
    ids=["paid", "on its way", "both", "a part", "failed", "never asked for"],
)
def test_only_refunds_that_the_provider_knows_and_has_not_failed_count(known: list[Refund], is_owed: bool) -> None:
    assert (owed_after_end(saga_of(State.EXPIRED), None, intent_of(), known) is not None) is is_owed


def test_a_decision_is_carried_out_by_a_new_refund_after_each_that_failed() -> None:
    decision = decide_full_refund(INTENT, Received(5000, "USD"), "late_money")
    first, second = decision.refund_id(0), decision.refund_id(1)
    failed = replace(refund_of(5000, RefundStatus.FAILED), id=first)
    pending = replace(refund_of(5000, RefundStatus.PENDING), id=second)
    assert first != second
    assert decision.find_refund([]) == (None, 0)
    assert decision.find_refund([failed]) == (None, 1)
    assert decision.find_refund([failed, pending]) == (pending, 1)
    assert not decision.is_done([failed, pending], 5000)
    assert decision.is_done([failed, replace(pending, status=RefundStatus.SUCCEEDED)], 5000)
