"""Who buys what of whom, and when: no two lessons of a person overlap, and one person and one tutor have very many."""

from __future__ import annotations

from dataclasses import dataclass

#: Every tenth lesson is the busy student's, as long as these are no more than this.
BUSY_EACH, BUSY_MOST = 10, 10_000
#: Every hundredth lesson is the busy tutor's.
BUSY_TUTOR_EACH = 100
#: Lessons of one person begin at least this many minutes apart; each lasts an hour.
APART_MINUTES = 100
#: Everything was sold at least this long ago, so that all lessons are over.
OVER_MINUTES = 14 * 24 * 60
STUDENTS_OF_A_COURSE = 1000


@dataclass(frozen=True, slots=True)
class Plan:
    """So many lessons and so many seats. The person with the number 0 is the busy one of the role."""

    sales: int

    @property
    def busy_each(self) -> int:
        return max(BUSY_EACH, self.sales // BUSY_MOST)

    @property
    def minutes_apart(self) -> int:
        """How many minutes before its follower a sale was made."""
        return max(1, APART_MINUTES // self.busy_each)

    @property
    def tutors(self) -> int:
        return max(APART_MINUTES, self.sales // 100)

    @property
    def students(self) -> int:
        return max(APART_MINUTES, self.sales // 10)

    @property
    def courses(self) -> int:
        """Courses, each of an instructor of its own."""
        return max(20, self.sales // STUDENTS_OF_A_COURSE)

    def minutes_ago(self, number: int) -> int:
        return OVER_MINUTES + number * self.minutes_apart

    def tutor_of(self, number: int) -> int:
        return 0 if number % BUSY_TUTOR_EACH == 0 else 1 + number % (self.tutors - 1)

    def student_of(self, number: int) -> int:
        return 0 if number % self.busy_each == 0 else 1 + number % (self.students - 1)

    def course_of(self, number: int) -> int:
        return number % self.courses

    def seated_in(self, number: int) -> int:
        """The student of a seat: another one for each seat of a course."""
        return 1 + number // self.courses

    def seats_taken(self, course: int) -> int:
        return len(range(course, self.sales, self.courses))
