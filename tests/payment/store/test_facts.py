"""The stored form of a saga's facts: read back as they were written, also from rows of earlier versions."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from mesh.money import Money
from payment_svc.domain import (
    BOOK,
    CANCEL_OF,
    DISPUTE_CASE,
    ENROLL,
    KINDS,
    REFUND_CASE,
    AskedPrice,
    CancelDecision,
    CancelFacts,
    DeclineReason,
    DisputeFacts,
    EnrollmentFacts,
    Facts,
    LessonFacts,
    PurchaseFacts,
    Received,
    RefundCaseFacts,
    SagaError,
    State,
    Undo,
)
from payment_svc.store.facts import decode_error, decode_facts, encode_error, encode_facts

DECISION = CancelDecision("student", 50, "2 h or more before the lesson: 50 %", 2500)
EVERYTHING: dict[str, Any] = {
    "policy": "24h:100,2h:50",
    "provider": "callback",
    "timezone": "Europe/Berlin",
    "locale": "de-AT",
    "return_url": "https://app.example.org/paid",
    "cancel_url": "https://app.example.org/back",
    "provider_name": "placeholder",
    "asked_price": AskedPrice("50", "USD", decides=True),
    "price": Money(5000, "USD"),
    "tutor_name": "Jonas Weber",
    "tutor_timezone": "Europe/Vienna",
    "course_title": "Fractions for all",
    "hold_expires_at": datetime(2030, 1, 1, 12, 0, 0, 250000, tzinfo=UTC),
    "hold_was_over": True,
    "is_recorded": True,
    "client_secret": "pi_1_secret_2",
    "declined_charges": ("ch_1", "ch_2"),
    "decline_reason": DeclineReason.INSUFFICIENT_FUNDS,
    "undo": Undo.CANCELLED,
    "ends_as": State.CANCELLED,
    "refusal": SagaError("ABORTED", "SLOT_TAKEN", "Somebody else has this time.", "start"),
    "cancel": DECISION,
    "has_ended": True,
    "paid": Received(5000, "USD"),
    "refunds_given_up": 3,
    "was_closed_unpaid": True,
}
LESSON = {"course_id": uuid4(), "purpose": "Fractions", "block_id": "block-1", "meeting_link": "https://x/1"}
CASES: list[tuple[str, Facts]] = [
    (BOOK, LessonFacts()),
    (BOOK, LessonFacts(**EVERYTHING, **LESSON)),
    (ENROLL, EnrollmentFacts()),
    (ENROLL, EnrollmentFacts(**EVERYTHING)),
    (
        CANCEL_OF[BOOK],
        CancelFacts(
            uuid4(), DECISION, Money(5000, "USD"), "pi_1", 5000, "Jonas Weber", has_ended=True, refunds_given_up=2
        ),
    ),
    (CANCEL_OF[ENROLL], CancelFacts(uuid4(), DECISION, Money(0, "JPY"), "", 0)),
    (DISPUTE_CASE, DisputeFacts("dp_1")),
    (REFUND_CASE, RefundCaseFacts(uuid4(), "pi_1")),
    (REFUND_CASE, RefundCaseFacts(uuid4(), "pi_1", 3)),
]


@pytest.mark.parametrize(("kind", "facts"), CASES)
def test_facts_are_read_as_they_were_written(kind: str, facts: Facts) -> None:
    assert decode_facts(kind, json.loads(encode_facts(facts))) == facts


def test_the_cases_above_set_every_field() -> None:
    assert {field.name for field in fields(PurchaseFacts)} == set(EVERYTHING)
    assert {field.name for field in fields(LessonFacts)} == {*EVERYTHING, *LESSON}
    assert {kind for kind, _ in CASES} == {kind.name for kind in KINDS}


def test_a_row_from_before_2026_11_26_has_no_end_of_its_booking() -> None:
    facts = decode_facts(BOOK, {"undo": "EXPIRED", "policy": "24h:100"})
    assert facts == LessonFacts(policy="24h:100", undo=Undo.EXPIRED)


def test_a_cancel_without_a_payment_is_read() -> None:
    purchase = uuid4()
    stored = {"purchase_id": str(purchase), "price": {"amount_minor": 0, "currency": "USD"}, "intent_id": None}
    facts = decode_facts(
        CANCEL_OF[BOOK], stored | {"cancel": {"by": "tutor", "percent": 100, "rule": "", "refund_minor": 0}}
    )
    assert facts == CancelFacts(purchase, CancelDecision("tutor", 100, "", 0), Money(0, "USD"), "", 0)


def test_a_kind_that_only_a_newer_version_knows_can_be_listed() -> None:
    assert decode_facts("TomorrowsSaga", {"price": {"amount_minor": 5, "currency": "USD"}}).price == Money(5, "USD")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "error", [None, SagaError("ABORTED", "SLOT_TAKEN", "words", "start"), SagaError("UNAVAILABLE", "TRY_AGAIN")]
)
def test_an_error_is_read_as_it_was_written(error: SagaError | None) -> None:
    stored = encode_error(error)
    assert decode_error(json.loads(stored) if stored else None) == error


def test_an_error_without_a_code_is_read() -> None:
    assert decode_error({"reason": "TRY_AGAIN"}) == SagaError("UNAVAILABLE", "TRY_AGAIN")


def test_lesson_facts_keep_ids_as_ids() -> None:
    facts = decode_facts(BOOK, {"course_id": str(UUID(int=7))})
    assert isinstance(facts, LessonFacts)
    assert facts.course_id == UUID(int=7)
