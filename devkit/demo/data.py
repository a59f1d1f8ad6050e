"""Demo data: three tutors in three time zones, two courses and two students, without bookings and enrollments.

The launcher runs `python -m devkit.demo.data` once per data folder, against a running mesh. Loading it again changes
nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from devkit import layout
from mesh.channels import connect
from mesh.identity import ServiceTokenFile
from tutormesh.availability.v1 import availability_pb2 as pb
from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceStub
from tutormesh.common.v1.money_pb2 import Money
from tutormesh.learning.v1 import learning_pb2 as learning
from tutormesh.learning.v1.learning_pb2_grpc import LearningServiceStub

MONDAY_TO_FRIDAY = (
    pb.WEEKDAY_MONDAY,
    pb.WEEKDAY_TUESDAY,
    pb.WEEKDAY_WEDNESDAY,
    pb.WEEKDAY_THURSDAY,
    pb.WEEKDAY_FRIDAY,
)
STUDENTS = {
    "Sam": "00000000-0000-4000-8000-0000000000a1",
    "Mina": "00000000-0000-4000-8000-0000000000a2",
}


@dataclass(frozen=True, slots=True)
class Tutor:
    """A tutor of the demo data. `rate` is in minor units per hour; `notice` and `buffer` are in minutes."""

    id: str
    name: str
    timezone: str
    start: str
    end: str
    rate: int
    currency: str
    notice: int = 0
    buffer: int = 0


TUTORS = (
    Tutor("00000000-0000-4000-8000-0000000000b1", "Nora", "America/New_York", "09:00", "17:00", 5000, "USD"),
    Tutor("00000000-0000-4000-8000-0000000000b2", "Jonas", "Europe/Berlin", "10:00", "19:00", 4500, "EUR", 120, 10),
    Tutor("00000000-0000-4000-8000-0000000000b3", "Yuki", "Asia/Tokyo", "08:00", "20:00", 6000, "JPY", 60),
)


@dataclass(frozen=True, slots=True)
class Course:
    """A course of the demo data. `price` is in minor units; `seats` 0 means that there is no limit."""

    id: str
    title: str
    instructor: Tutor
    price: int
    seats: int = 0


COURSES = (
    Course("00000000-0000-4000-8000-0000000000c1", "Calculus from the beginning", TUTORS[0], 12000),
    Course("00000000-0000-4000-8000-0000000000c2", "Japanese conversation, a small group", TUTORS[2], 9000, seats=4),
)


async def load(mesh: layout.Layout) -> None:
    """Publish the demo tutors' hours and courses, as the operator. Raises the Refusal of a service, and Misconfigured."""
    layout.check_development(mesh.settings)
    operator = ServiceTokenFile(mesh.token_file("ops"))
    async with (
        connect(mesh.address("availability"), operator) as calendars,
        connect(mesh.address("learning"), operator) as school,
    ):
        availability, courses = AvailabilityServiceStub(calendars), LearningServiceStub(school)
        for tutor in TUTORS:
            await availability.PublishAvailability(_hours(tutor), timeout=10)
        for course in COURSES:
            await courses.CreateCourse(_draft(course), timeout=10)
            await courses.PublishCourse(learning.PublishCourseRequest(course_id=course.id), timeout=10)


def _hours(tutor: Tutor) -> pb.PublishAvailabilityRequest:
    return pb.PublishAvailabilityRequest(
        tutor_id=tutor.id,
        timezone=tutor.timezone,
        weekly=[pb.WeeklyWindow(weekday=day, start=tutor.start, end=tutor.end) for day in MONDAY_TO_FRIDAY],
        minimum_notice_minutes=tutor.notice,
        buffer_minutes=tutor.buffer,
        rate=Money(amount_minor=tutor.rate, currency=tutor.currency),
    )


def _draft(course: Course) -> learning.CreateCourseRequest:
    return learning.CreateCourseRequest(
        course_id=course.id,
        title=course.title,
        instructor_id=course.instructor.id,
        price=Money(amount_minor=course.price, currency=course.instructor.currency),
        seats=course.seats,
    )


if __name__ == "__main__":
    asyncio.run(load(layout.load()))
