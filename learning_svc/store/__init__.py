"""All the SQL of this service.

READ COMMITTED throughout: each statement sees what was committed when it began. Whoever changes seats locks the
course's row first and its enrollments after it, so that nobody waits in a circle, and seats stand still meanwhile.
"""

from __future__ import annotations

from learning_svc.domain import AlreadyEnrolled, CourseFull, Raced
from learning_svc.store.courses import CourseStore
from learning_svc.store.enrollments import EnrollmentStore
from learning_svc.store.seats import SeatStore
from mesh.errors import IllegalMove

__all__ = ["VIOLATIONS", "CourseStore", "EnrollmentStore", "SeatStore"]

#: What the schema refuses, by the name of the rule. Two who insert the same ids at once: the second looks again.
VIOLATIONS = {
    "course_never_oversold": CourseFull,
    "enrollment_once_per_student": AlreadyEnrolled,
    "enrollment_pkey": Raced,
    "enrollment_once_per_saga": Raced,
    "enrollment_legal_move": IllegalMove,
}
