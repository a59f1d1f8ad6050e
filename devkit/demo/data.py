"""Demo data: three tutors in three time zones, two courses and two students, without bookings and enrollments.

The launcher runs `python -m devkit.demo.data` once per data folder, against a running mesh. Loading it again changes
nothing.
"""

from __future__ import annotations

import asyncio

from devkit import layout
from devkit.people import COURSES, TUTORS, Course, Tutor
from mesh.certificates import Certificates, files_in
from mesh.channels import connect
from mesh.identity import CredentialSource, ServiceTokenFile
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


async def load(mesh: layout.Layout) -> None:
    """Publish the demo tutors' hours and courses, as the operator. Raises the Refusal of a service, and Misconfigured."""
    layout.check_development(mesh.settings)
    operator: CredentialSource = ServiceTokenFile(mesh.token_file("ops"))
    if mesh.uses_certificates():
        operator = Certificates(files_in(mesh.certificates / "ops"))
    async with (
        connect(mesh.address("availability"), operator, "availability") as calendars,
        connect(mesh.address("learning"), operator, "learning") as school,
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
        display_name=tutor.name,
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
