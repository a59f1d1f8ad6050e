"""Every invariant over constructed snapshots of enrollments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ops.audit.invariants import find_breaches
from ops.audit.records import CANCEL, ENROLL, LEAVE, Amount, Course, Enrollment, Saga
from ops.audit.snapshot import Snapshot
from tests.ops.snapshots import INTENT, NOW, OUR_REFUND, PAYMENT, PRICE, THEIR_REFUND, broken, saga_of, words

COURSE = Course("course", seats=2, seats_taken=1, active=1)
HELD, EMPTY = replace(COURSE, active=0, held=1), replace(COURSE, seats_taken=0, active=0)
ENROLLMENT = Enrollment("enrollment", "saga", "course", "student", "tutor", "ACTIVE", PRICE, "payment")
PAID = replace(PAYMENT, booking_id="", session_id="", enrollment_id="enrollment")
TOMBSTONE = Enrollment("enrollment", "saga", "", "", "", "CANCELLED", Amount(0, ""), "")


def seat_of(state: str = "COMPLETED", **changes: Any) -> Saga:
    names = {"booking_id": "", "session_id": "", "enrollment_id": "enrollment", "course_id": "course"}
    return saga_of(state, **{"kind": ENROLL, "start": None, "minutes": 0, **names, **changes})


def sold() -> Snapshot:
    """A seat that was sold and paid."""
    return Snapshot(
        NOW, sagas=(seat_of(),), payments=(PAID,), intents=(INTENT,), courses=(COURSE,), enrollments=(ENROLLMENT,)
    )


def unsold(state: str = "EXPIRED", status: str = "EXPIRED") -> Snapshot:
    """A seat that was never paid."""
    return Snapshot(
        NOW,
        sagas=(seat_of(state),),
        payments=(replace(PAID, status="CANCELLED", received_minor=0),),
        intents=(replace(INTENT, status="canceled", received_minor=0),),
        courses=(EMPTY,),
        enrollments=(replace(ENROLLMENT, status=status),),
    )


def waiting() -> Snapshot:
    """A seat that awaits its payment."""
    return Snapshot(
        NOW,
        sagas=(seat_of("AWAITING_PAYMENT"),),
        payments=(replace(PAID, status="PENDING", received_minor=0),),
        intents=(replace(INTENT, status="requires_payment_method", received_minor=0),),
        courses=(HELD,),
        enrollments=(replace(ENROLLMENT, status="PAYMENT_REQUIRED"),),
    )


LEAVING = replace(seat_of("REFUNDED"), id="cancel", kind=LEAVE, intent_id="", refund_due=PRICE, cancels="saga")


def left() -> Snapshot:
    """A seat that was sold and then cancelled for its whole price."""
    return Snapshot(
        NOW,
        sagas=(seat_of(), LEAVING),
        payments=(replace(PAID, status="REFUNDED", refunds=(OUR_REFUND,)),),
        intents=(replace(INTENT, refunds=(THEIR_REFUND,)),),
        courses=(EMPTY,),
        enrollments=(replace(ENROLLMENT, status="CANCELLED"),),
    )


@pytest.mark.parametrize("whole", [sold, unsold, waiting, left])
def test_a_sound_snapshot_with_courses_breaks_no_invariant(whole) -> None:
    assert find_breaches(whole()) == []


def test_two_seats_are_two_purchases() -> None:
    """Both have an empty booking id, and still do not count as one purchase."""
    other = seat_of(id="other", enrollment_id="e2", payment_id="p2", intent_id="pi_2", state="COMPENSATING")
    another = replace(other, is_complete=False, wake_at=NOW)
    spoiled = replace(sold(), sagas=(seat_of(), another), enrollments=())
    assert broken(replace(spoiled, courses=())) == ["I7"]  # the other saga's work does not excuse this one's records


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ({"enrollments": ()}, "its enrollment enrollment does not exist"),
        ({"enrollments": (replace(ENROLLMENT, status="PAYMENT_REQUIRED"),)}, "is PAYMENT_REQUIRED"),
        ({"enrollments": (replace(ENROLLMENT, course_id="another"),)}, "names another saga, course or person"),
        ({"enrollments": (replace(ENROLLMENT, student_id="another"),)}, "names another saga, course or person"),
        ({"enrollments": (replace(ENROLLMENT, instructor_id="x"),)}, "names another saga, course or person"),
        ({"enrollments": (replace(ENROLLMENT, price=Amount(1, "USD")),)}, "costs $0.01, the saga $50.00"),
        ({"enrollments": (replace(ENROLLMENT, payment_id=""),)}, "names payment none"),
        ({"payments": ()}, "its payment payment does not exist"),
        ({"payments": (replace(PAID, enrollment_id="another"),)}, "names another saga, booking, enrollment"),
    ],
)
def test_a_completed_saga_without_its_whole_enrollment_breaks_i7_alone(spoil: dict[str, Any], message: str) -> None:
    spoiled = replace(sold(), courses=(), **spoil)
    assert broken(spoiled) == ["I7"]
    assert message in words(spoiled)


@pytest.mark.parametrize(
    ("state", "status", "fits"),
    [
        ("EXPIRED", "EXPIRED", True),
        ("EXPIRED", "ACTIVE", False),
        ("EXPIRED", "PAYMENT_REQUIRED", False),
        ("PAYMENT_FAILED", "PAYMENT_FAILED", True),
        ("PAYMENT_FAILED", "EXPIRED", False),
        ("CANCELLED", "CANCELLED", True),
        ("REFUNDED", "CANCELLED", True),
        ("REFUNDED", "PAYMENT_FAILED", False),
        ("REJECTED", "CANCELLED", True),
        ("REJECTED", "PAYMENT_REQUIRED", False),
    ],
)
def test_the_enrollment_ends_as_its_saga_does(state: str, status: str, fits: bool) -> None:
    assert broken(replace(unsold(state, status), courses=())) == ([] if fits else ["I7"])


@pytest.mark.parametrize("state", ["REJECTED", "EXPIRED", "PAYMENT_FAILED"])
def test_a_tombstone_fits_every_end(state: str) -> None:
    assert find_breaches(replace(unsold(state), enrollments=(TOMBSTONE,))) == []


def test_a_cancelled_enrollment_that_is_still_active_breaks_i7_alone() -> None:
    spoiled = replace(left(), enrollments=(ENROLLMENT,), courses=(COURSE,))
    assert broken(spoiled) == ["I7"]
    assert "its enrollment enrollment is ACTIVE" in words(spoiled)


@pytest.mark.parametrize("changes", [{"kind": CANCEL}, {"course_id": "another"}, {"enrollment_id": "another"}])
def test_a_cancel_of_something_else_breaks_i7(changes: dict[str, Any]) -> None:
    assert "I7" in broken(replace(left(), sagas=(seat_of(), replace(LEAVING, **changes))))


def test_an_enrollment_without_a_saga_breaks_i7_alone() -> None:
    spoiled = Snapshot(NOW, enrollments=(ENROLLMENT,))
    assert broken(spoiled) == ["I7"]
    assert "enrollment enrollment is of saga saga, which does not exist" in words(spoiled)


@pytest.mark.parametrize(
    ("course", "message"),
    [
        (replace(COURSE, seats_taken=0), "counts 0 seats taken by 1 students and 0 holds"),
        (replace(COURSE, seats_taken=2), "counts 2 seats taken by 1 students and 0 holds"),
        (replace(COURSE, seats=1, seats_taken=2), "has 1 seats, 2 taken, 1 students"),
    ],
)
def test_a_wrong_count_of_seats_breaks_i1_alone(course: Course, message: str) -> None:
    spoiled = replace(sold(), courses=(course,))
    assert broken(spoiled) == ["I1"]
    assert message in words(spoiled)


def test_a_hold_may_have_expired_and_a_course_may_have_no_limit() -> None:
    assert find_breaches(replace(waiting(), courses=(replace(HELD, seats_taken=0),))) == []
    assert find_breaches(replace(sold(), courses=(replace(COURSE, seats=0),))) == []


def test_a_second_enrollment_of_a_saga_breaks_i6() -> None:
    again = replace(ENROLLMENT, id="again", status="EXPIRED")
    assert broken(replace(sold(), enrollments=(ENROLLMENT, again))) == ["I6"]


def test_money_kept_after_a_cancel_breaks_i2_alone() -> None:
    kept = replace(left(), intents=(INTENT,), payments=(replace(PAID, status="SUCCEEDED"),))
    assert broken(kept) == ["I2"]
    assert "cancel cancel decided that $50.00 of $50.00 goes back" in words(kept)


def test_a_seat_that_can_be_paid_after_its_end_breaks_i4() -> None:
    payable = replace(INTENT, status="requires_payment_method", received_minor=0)
    assert "I4" in broken(replace(unsold(), intents=(payable,)))
