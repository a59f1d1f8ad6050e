"""All the SQL of this service.

Transactions are READ COMMITTED: a statement sees what was committed before it began. A transaction that counts what a
person has locks the person's row first. One that changes seats locks the course's row, and its enrollments after it. So
no two of them wait for each other, and what one counted no other one changes meanwhile.
"""

from __future__ import annotations

from learning_svc.domain import AlreadyEnrolled, CourseFull, Raced
from learning_svc.store.courses import CourseStore
from learning_svc.store.enrollments import EnrollmentStore
from learning_svc.store.seats import SeatStore
from mesh.errors import IllegalMove

__all__ = ["VIOLATIONS", "CourseStore", "EnrollmentStore", "SeatStore"]

#: The refusal for each rule of the schema that a statement can violate. Raced: another call inserted the same ids at
#: the same time, and the statement is run again.
VIOLATIONS = {
    "course_never_oversold": CourseFull,
    "enrollment_once_per_student": AlreadyEnrolled,
    "enrollment_pkey": Raced,
    "enrollment_once_per_saga": Raced,
    "enrollment_legal_move": IllegalMove,
}
