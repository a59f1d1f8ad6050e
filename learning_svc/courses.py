"""Courses: create, publish, each safe to repeat; and who may see which."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from learning_svc.domain import Course, CourseFull, CourseNotFound, CourseNotPublished, NewCourse, Terms
from learning_svc.store import CourseStore, SeatStore
from mesh import calls
from mesh.database import Database
from mesh.errors import BadInput, Forbidden


class Courses:
    """The use cases of courses."""

    def __init__(self, database: Database, terms: Terms) -> None:
        self._database, self._store, self._terms = database, CourseStore(database), terms

    async def create(self, new: NewCourse) -> Course:
        """The draft, made or made before. Raises BadInput when the id is another's course."""
        course = await self._store.create(new)
        if course.instructor_id != new.instructor_id:
            raise BadInput("belongs to another course", field="course_id")
        return course

    async def publish(self, course_id: UUID) -> Course:
        """The course published, now or before. Raises CourseNotFound, also for another's draft; Forbidden."""
        call = calls.current()
        instructor = None if call.speaks_for() else call.require_person().id
        course = await self._store.publish(course_id, instructor)
        if course is None or not _may_see(course):
            raise CourseNotFound
        call.must_speak_for(course.instructor_id)
        return course

    async def get(self, course_id: UUID) -> Course:
        """A course the caller may see. Raises CourseNotFound, also for another's draft."""
        found = await self.several([course_id])
        if not found:
            raise CourseNotFound
        return found[0]

    async def several(self, ids: Sequence[UUID]) -> list[Course]:
        """Those of the courses that the caller may see, in no order."""
        return [course for course in await self._store.find(ids) if _may_see(course)]

    async def published(self, before: tuple[datetime, UUID] | None, most: int) -> list[Course]:
        """Published courses, newest first."""
        return await self._store.published(before, most)

    async def verify(self, course_id: UUID, *, needs_seat: bool) -> Course:
        """A course that can be sold now. Raises CourseNotFound, CourseNotPublished, CourseFull."""
        standing = await self._database.statement(
            lambda connection: SeatStore(connection).standing(course_id, None, self._terms.grace)
        )
        if standing is None:
            raise CourseNotFound
        if not standing.course.published:
            raise CourseNotPublished
        if needs_seat and standing.course.is_full and not standing.gives_way:
            raise CourseFull
        return standing.course


def instructor_of(named: UUID | None) -> UUID:
    """Who teaches the course that the caller makes. Raises Forbidden, BadInput."""
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
    return course.published or calls.current().speaks_for(course.instructor_id)
