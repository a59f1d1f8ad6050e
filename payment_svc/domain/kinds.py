"""The kinds of sagas, as data. The table saga_kind holds the same rows; a migration adds one for each new kind."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from payment_svc.domain.facts import CancelFacts, DisputeFacts, EnrollmentFacts, Facts, LessonFacts, RefundCaseFacts


class Role(StrEnum):
    """What a saga is for."""

    SALE = "SALE"  # sells something against a payment
    CANCEL = "CANCEL"  # takes back what a sale sold
    CASE = "CASE"  # only waits for a person


class Subject(StrEnum):
    """What a saga is about."""

    LESSON = "LESSON"
    COURSE = "COURSE"


@dataclass(frozen=True, slots=True)
class SagaKind:
    """One kind. `name` is stored and public. `cancels` names the sale that a cancel takes back."""

    name: str
    role: Role
    facts: type[Facts]
    subject: Subject | None = None
    cancels: str = ""


BOOK, ENROLL = "BookAndPayForSessionSaga", "EnrollInCourseSaga"
DISPUTE_CASE, REFUND_CASE = "DisputeCase", "RefundCase"
KINDS = (
    SagaKind(BOOK, Role.SALE, LessonFacts, Subject.LESSON),
    SagaKind(ENROLL, Role.SALE, EnrollmentFacts, Subject.COURSE),
    SagaKind("CancelBookingSaga", Role.CANCEL, CancelFacts, Subject.LESSON, cancels=BOOK),
    SagaKind("CancelEnrollmentSaga", Role.CANCEL, CancelFacts, Subject.COURSE, cancels=ENROLL),
    SagaKind(DISPUTE_CASE, Role.CASE, DisputeFacts),
    SagaKind(REFUND_CASE, Role.CASE, RefundCaseFacts),
)
#: The name of the cancel of each sale.
CANCEL_OF = {kind.cancels: kind.name for kind in KINDS if kind.role is Role.CANCEL}
