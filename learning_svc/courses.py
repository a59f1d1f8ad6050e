"""Courses: create and publish them, each safe to repeat; and read those that the caller may see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from learning_svc.domain import (
    Course,
    CourseFull,
    CourseNotFound,
    CourseNotPublished,
    IdempotencyMismatch,
    NewCourse,
    Terms,
)
from learning_svc.store import CourseStore, SeatStore
from mesh import calls
from mesh.database import Database
from mesh.errors import BadInput, Forbidden


class Courses:
    """The use cases of courses."""

    def __init__(self, database: Database, terms: Terms) -> None:
        self._database, self._store, self._terms = database, CourseStore(database), terms

    async def create(self, new: NewCourse, *, exact_repeat: bool = False) -> Course:
        """Create a draft; a repeat returns the course as it is now. With `exact_repeat` it must be of the same content.

        Raises BadInput when the id is another's course, IdempotencyMismatch for other content, TooManyCourses when the
        instructor has as many as one may have.
        """
        course = await self._store.create(new, self._terms.limits.courses)
        if course.instructor_id != new.instructor_id:
            raise BadInput("belongs to another course", field="course_id")
        if exact_repeat and (course.title, course.price, course.seats) != (new.title, new.price, new.seats):
            raise IdempotencyMismatch
        return course

    async def publish(self, course_id: UUID) -> Course:
        """Publish the course; a repeat changes nothing.

        Raises CourseNotFound, also for another's draft; Forbidden for another's published course.
        """
        call = calls.current()
        instructor = None if call.speaks_for() else call.require_person().id
        course = await self._store.publish(course_id, instructor)
        if course is None or not _may_see(course):
            raise CourseNotFound
        call.must_speak_for(course.instructor_id)
        return course

    async def get(self, course_id: UUID) -> Course:
        """A course that the caller may see. Raises CourseNotFound, also for another's draft."""
        found = await self.get_many([course_id])
        if not found:
            raise CourseNotFound
        return found[0]

    async def get_many(self, ids: Sequence[UUID]) -> list[Course]:
        """The courses among these ids that the caller may see, in no order."""
        return [course for course in await self._store.find(ids) if _may_see(course)]

    async def list_published(self, before: tuple[datetime, UUID] | None, most: int) -> list[Course]:
        """Published courses, newest first."""
        return await self._store.list_published(before, most)

    async def verify(self, course_id: UUID, *, needs_seat: bool) -> Course:
        """The course, if it can be sold now. Raises CourseNotFound, CourseNotPublished, CourseFull."""
        situation = await self._database.statement(
            lambda connection: SeatStore(connection).read_situation(course_id, None, self._terms)
        )
        if situation is None:
            raise CourseNotFound
        if not situation.course.published:
            raise CourseNotPublished
        if needs_seat and situation.course.is_full and not situation.has_lapsed_hold:
            raise CourseFull
        return situation.course


def choose_instructor(named: UUID | None) -> UUID:
    """The instructor of the course that the caller creates; `named` is the one in the request.

    | caller  | may name                        |
    |---------|---------------------------------|
    | service | anybody, and must name somebody |
    | admin   | anybody; default: themselves    |
    | tutor   | themselves                      |

    Raises Forbidden, BadInput.
    """
    person = calls.current().person
    if person is None or person.is_service:
        if named is None:
            raise BadInput("must be given by a service", field="instructor_id")
        return named
    if person.is_admin:
        return named or person.id
    if "tutor" not in person.roles or named not in (None, person.id):
        raise Forbidden("only a tutor makes courses, and only their own")
    return person.id


def _may_see(course: Course) -> bool:
    call = calls.current()
    return course.published or (not call.is_of_visitor and call.speaks_for(course.instructor_id))
