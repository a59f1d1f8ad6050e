"""I7 over constructed snapshots: the records of a saga fit its end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ops.audit.invariants import find_breaches
from ops.audit.records import Amount
from ops.audit.snapshot import Snapshot
from tests.ops.snapshots import (
    BOOKING,
    INTENT,
    NOW,
    PAYMENT,
    SESSION,
    START,
    STUDENTS_CLAIM,
    TUTORS_CLAIM,
    broken,
    free,
    saga_of,
    sold,
    unsold,
    words,
)


@pytest.mark.parametrize(
    "spoil",
    [
        {"bookings": ()},
        {"bookings": (replace(BOOKING, status="EXPIRED"),)},
        {"bookings": (replace(BOOKING, start=START + timedelta(hours=1)),)},
        {"bookings": (replace(BOOKING, session_id="another"),)},
        {"bookings": (replace(BOOKING, payment_id=""),)},
        {"bookings": (replace(BOOKING, price=Amount(1, "USD")),)},
        {"bookings": (replace(BOOKING, block_id="another"),)},
        {"claims": ()},
        {"claims": (TUTORS_CLAIM,)},
        {"claims": (replace(TUTORS_CLAIM, state="HELD"), STUDENTS_CLAIM)},
        {"claims": (TUTORS_CLAIM, STUDENTS_CLAIM, replace(STUDENTS_CLAIM, id="c3", calendar_id="stranger"))},
        {"sessions": ()},
        {"sessions": (replace(SESSION, status="CANCELLED"),)},
        {"sessions": (replace(SESSION, booking_id="another"),)},
        {"sessions": (replace(SESSION, minutes=30),)},
        {"payments": ()},
        {"payments": (replace(PAYMENT, session_id="another"),)},
        {
            "payments": (replace(PAYMENT, status="FAILED", received_minor=0),),
            "intents": (replace(INTENT, status="canceled", received_minor=0),),
        },
    ],
)
def test_a_completed_saga_without_its_whole_lesson_breaks_i7_alone(spoil: dict[str, Any]) -> None:
    assert broken(replace(sold(), **spoil)) == ["I7"]


def test_a_lesson_that_took_place_is_still_whole() -> None:
    assert find_breaches(replace(sold(), sessions=(replace(SESSION, status="COMPLETED"),))) == []


def test_a_free_lesson_with_a_payment_breaks_i7() -> None:
    assert "is free and has a payment" in words(replace(free(), payments=(PAYMENT,)))


@pytest.mark.parametrize(
    "left",
    [
        {"claims": (replace(TUTORS_CLAIM, state="HELD"),)},
        {"claims": (STUDENTS_CLAIM,)},
        {"sessions": (SESSION,)},
        {"bookings": (BOOKING,)},
        {"bookings": (replace(BOOKING, status="PAYMENT_REQUIRED"),)},
    ],
)
def test_a_live_record_after_the_end_breaks_i7_alone(left: dict[str, Any]) -> None:
    assert broken(replace(unsold(), **left)) == ["I7"]


@pytest.mark.parametrize(
    ("state", "booking", "fits"),
    [
        ("EXPIRED", "EXPIRED", True),
        ("EXPIRED", "CANCELLED", False),
        ("PAYMENT_FAILED", "PAYMENT_FAILED", True),
        ("PAYMENT_FAILED", "EXPIRED", False),
        ("CANCELLED", "CANCELLED", True),
        ("CANCELLED", "EXPIRED", False),
        ("REFUNDED", "EXPIRED", True),
        ("REFUNDED", "CANCELLED", True),
        ("REFUNDED", "PAYMENT_FAILED", False),
        ("REJECTED", "CANCELLED", True),
        ("REJECTED", "PAYMENT_REQUIRED", False),
    ],
)
def test_the_booking_ends_as_its_saga_does(state: str, booking: str, fits: bool) -> None:
    assert broken(unsold(state, booking)) == ([] if fits else ["I7"])


def test_an_ended_saga_needs_no_booking_and_may_have_a_cancelled_session() -> None:
    ended = replace(unsold(), bookings=(), sessions=(replace(SESSION, status="CANCELLED"),))
    assert find_breaches(ended) == []


@pytest.mark.parametrize(
    "orphan",
    [{"claims": (TUTORS_CLAIM,)}, {"bookings": (BOOKING,)}, {"sessions": (SESSION,)}],
)
def test_a_record_without_a_saga_breaks_i7_alone(orphan: dict[str, Any]) -> None:
    assert broken(Snapshot(NOW, **orphan)) == ["I7"]
    assert "which does not exist" in words(Snapshot(NOW, **orphan))


def test_half_done_work_of_an_open_saga_is_in_flight() -> None:
    half = replace(sold(), sagas=(saga_of("BOOKING_SESSION"),), sessions=(), claims=(TUTORS_CLAIM,))
    assert find_breaches(half) == []
