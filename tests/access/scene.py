"""The people of the table and their records: what one tutor and one student have sold and bought."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from mesh import clock
from tests.access.table import WHO
from tests.learners import Enrolled, enroll
from tests.people import Booked, People, lesson_time
from tutormesh.availability.v1 import availability_pb2
from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceStub
from tutormesh.learning.v1.learning_pb2 import Course
from tutormesh.payment.v1 import payment_pb2

#: Hours between two lessons of a scene, so that none overlap.
HOURS_APART = 2


@dataclass
class Scene:
    """Everybody of the table; a course, a draft, a sold lesson and an enrollment of the first student and tutor."""

    people: People
    ids: dict[str, UUID]
    course: Course
    draft: Course
    lesson: Booked
    enrollment: Enrolled
    _hours: Iterator[int] = field(default_factory=lambda: itertools.count(HOURS_APART, HOURS_APART))

    @property
    def student(self) -> UUID:
        return self.ids["student"]

    @property
    def tutor(self) -> UUID:
        return self.ids["tutor"]

    def token(self, who: str) -> str | None:
        """The bearer token of a person of the table; None for nobody."""
        if who == "nobody":
            return None
        return self.people.world.token(who.removeprefix("other "), subject=self.ids[who])

    def time(self) -> datetime:
        """A new time that no other lesson of this scene has."""
        days, hour = divmod(next(self._hours), 24)
        return lesson_time(3 + days, hour)

    async def block(self) -> str:
        """Block one more hour of the tutor's, and return the block's id."""
        start = self.time()
        block = availability_pb2.TimeBlock(start=clock.to_proto(start), end=clock.to_proto(start + timedelta(hours=1)))
        request = availability_pb2.BlockTimeRequest(tutor_id=str(self.tutor), blocks=[block])
        calendar = self.people.stub(AvailabilityServiceStub, "availability", "bff")
        return str((await calendar.BlockTime(request, timeout=5)).blocks[0].id)

    async def book(self) -> Booked:
        """Book one more lesson, which awaits its payment."""
        made = await self.people.book(self.tutor, self.time(), self.student)
        return _booked(made, self.student, self.tutor)

    async def sell(self) -> Booked:
        """Sell one more lesson: it is paid and confirmed."""
        booked = await self.book()
        await self.people.pay(booked.intent)
        await self.people.until_state(booked.saga, "COMPLETED")
        return booked

    async def make_course(self, *, published: bool = True) -> Course:
        """Make one more course of the tutor's."""
        return await self.people.course(instructor_id=str(self.tutor), published=published)

    async def enroll(self) -> Enrolled:
        """Enroll the student in a new course of the tutor's; the enrollment awaits its payment."""
        course = await self.make_course()
        made = await enroll(self.people, course.id, self.student)
        ids = (made.enrollment_id, made.saga_id, made.payment_id, made.payment_intent_id)
        return Enrolled(*ids, self.student, course)


def _booked(made: payment_pb2.BookSessionResponse, student: UUID, tutor: UUID) -> Booked:
    ids = (made.booking_id, made.saga_id, made.session_id, made.payment_id, made.payment_intent_id)
    return Booked(*ids, student, tutor)


async def make_scene(people: People) -> Scene:
    """Make a scene whose lesson is paid and confirmed, and whose enrollment is paid and active."""
    ids = {who: uuid4() for who in WHO}
    ids["tutor"] = await people.tutor()
    course = await people.course(instructor_id=str(ids["tutor"]))
    draft = await people.course(instructor_id=str(ids["tutor"]), published=False)
    lesson = _booked(await people.book(ids["tutor"], lesson_time(3, 0), ids["student"]), ids["student"], ids["tutor"])
    made = await enroll(people, course.id, ids["student"])
    enrollment = Enrolled(
        made.enrollment_id, made.saga_id, made.payment_id, made.payment_intent_id, ids["student"], course
    )
    for intent in (lesson.intent, enrollment.intent):
        await people.pay(intent)
    await people.until_state(lesson.saga, "COMPLETED")
    await people.until_state(enrollment.saga, "COMPLETED")
    return Scene(people, ids, course, draft, lesson, enrollment)
