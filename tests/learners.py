"""What people do with courses in a test, in the words of the scenarios."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from tests.people import People
from tutormesh.learning.v1 import learning_pb2
from tutormesh.payment.v1 import payment_pb2
from tutormesh.payment.v1.payment_pb2_grpc import PaymentServiceStub

PAYMENT_REQUIRED, ACTIVE, CANCELLED, PAYMENT_FAILED, EXPIRED = range(1, 6)


@dataclass(frozen=True)
class Enrolled:
    """An enrollment that somebody made, by its ids."""

    id: str
    saga: str
    payment: str
    intent: str
    student: UUID
    course: learning_pb2.Course

    @property
    def instructor(self) -> UUID:
        return UUID(self.course.instructor_id)


async def enroll(
    people: People, course_id: str, student: UUID | None = None, *, timeout: float = 8, **more: Any
) -> payment_pb2.EnrollInCourseResponse:
    """Enroll as the bff does for a student; raises the refusal."""
    student = student or uuid4()
    request = payment_pb2.EnrollInCourseRequest(**{"student_id": str(student), "course_id": course_id, **more})
    person = people.world.token("student", subject=student)
    stub = people.stub(PaymentServiceStub, "payment", "bff", person)
    return await stub.EnrollInCourse(request, timeout=timeout)


async def enrolled(people: People, course: learning_pb2.Course | None = None, **more: Any) -> Enrolled:
    """An enrollment of a new student, in a new course unless one is given."""
    course, student = course or await people.course(), uuid4()
    made = await enroll(people, course.id, student, **more)
    return Enrolled(made.enrollment_id, made.saga_id, made.payment_id, made.payment_intent_id, student, course)


async def active(people: People, course: learning_pb2.Course | None = None) -> Enrolled:
    """An enrollment that has been paid."""
    place = await enrolled(people, course)
    await people.pay(place.intent)
    await people.until_state(place.saga, "COMPLETED")
    return place


async def leave(
    people: People, place: Enrolled, who: UUID | None = None, role: str = "student", quote_token: str = ""
) -> payment_pb2.CancelEnrollmentResponse:
    """Cancel as the student, or as somebody else."""
    stub = people.stub(PaymentServiceStub, "payment", "bff", people.world.token(role, subject=who or place.student))
    request = payment_pb2.CancelEnrollmentRequest(enrollment_id=place.id, quote_token=quote_token)
    return await stub.CancelEnrollment(request, timeout=8)


async def quote(
    people: People, enrollment_id: str, who: UUID, role: str = "student"
) -> payment_pb2.QuoteEnrollmentCancellationResponse:
    """What leaving would give back now, as this person is told."""
    stub = people.stub(PaymentServiceStub, "payment", "bff", people.world.token(role, subject=who))
    request = payment_pb2.QuoteEnrollmentCancellationRequest(enrollment_id=enrollment_id)
    return await stub.QuoteEnrollmentCancellation(request, timeout=8)


async def status(people: People, place: Enrolled) -> int:
    return (await people.enrollment(place.id)).status


async def refunded(people: People, place: Enrolled) -> list[int]:
    """The provider's refunds."""
    return [refund["amount"] for refund in await people.refunds_of(place.intent)]


async def let_the_seat_lapse(
    people: People, place: Enrolled, *, grace_too: bool = False, payment_too: bool = True
) -> None:
    """Move the hold's end into the past, in both services' databases."""
    ago, saga = timedelta(hours=1) if grace_too else timedelta(seconds=1), UUID(place.saga)
    await people.world.sql(
        "learning",
        "update enrollment set hold_expires_at = clock_timestamp() - $2::interval where saga_id = $1",
        saga,
        ago,
    )
    if payment_too:
        await people.world.sql(
            "payment",
            "update saga set hold_ends = clock_timestamp() - $2::interval, wake_at = clock_timestamp() where id = $1",
            saga,
            ago,
        )


async def let_time_pass_since_it_was_paid(people: People, place: Enrolled, hours: float) -> None:
    """Let time pass for the policy."""
    back = "update saga set state_since = state_since - $2::interval where id = $1"
    await people.world.sql("payment", back, UUID(place.saga), timedelta(hours=hours))
