"""Who buys what of whom, and when: no two lessons of a person overlap, and one person and one tutor have very many.

The same in Python and in SQL, where `n` is the number of a sale. The person with the number 0 is the busy one of the role.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import md5
from uuid import UUID

#: Every tenth lesson is the busy student's, as long as these are no more than this.
BUSY_EACH, BUSY_MOST = 10, 10_000
#: Every hundredth lesson is the busy tutor's.
BUSY_TUTOR_EACH = 100
#: Lessons of one person begin at least this many minutes apart; each lasts an hour.
APART_MINUTES = 100
#: Everything was sold at least this long ago, so that all lessons are over.
OVER_MINUTES = 14 * 24 * 60
STUDENTS_OF_A_COURSE = 1000


def made(kind: str, number: int) -> str:
    """The id of this kind with this number. They look random, so that an index grows as it does in life."""
    return str(UUID(md5(f"{kind} {number}".encode(), usedforsecurity=False).hexdigest()))


def made_sql(kind: str, number: str = "n") -> str:
    """The same in SQL."""
    return f"cast(md5('{kind} ' || {number}) as uuid)"


@dataclass(frozen=True, slots=True)
class Plan:
    """So many lessons and so many seats."""

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
        """Also the students of the courses: each has one seat or more, and no two in the same course."""
        return max(APART_MINUTES, self.sales // 10)

    @property
    def courses(self) -> int:
        """Courses, each of an instructor of its own."""
        return max(20, self.sales // STUDENTS_OF_A_COURSE)

    @property
    def minutes_ago(self) -> str:
        return f"{OVER_MINUTES} + n * {self.minutes_apart}"

    @property
    def tutor(self) -> str:
        return f"case when n % {BUSY_TUTOR_EACH} = 0 then 0 else 1 + n % {self.tutors - 1} end"

    @property
    def student(self) -> str:
        return f"case when n % {self.busy_each} = 0 then 0 else 1 + n % {self.students - 1} end"

    @property
    def course(self) -> str:
        return f"n % {self.courses}"

    @property
    def learner(self) -> str:
        """The student of a seat: another one for each seat of a course."""
        return f"1 + n / {self.courses}"

    def seats_taken(self, course: str) -> str:
        """How many sales are of the course with this number."""
        return f"({self.sales} - 1 - {course}) / {self.courses} + 1"
