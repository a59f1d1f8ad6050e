"""EnrollInCourseSaga: a place in a course for money. Hold the seat, pay; then the enrollment becomes active."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from uuid import UUID

from payment_svc.domain import ENROLL, Saga, State
from payment_svc.peers import STEP_SECONDS, Peers, asked, held, holding
from payment_svc.selling.definition import Definition, Step
from payment_svc.selling.purchase import booking_end
from tutormesh.learning.v1 import learning_pb2 as learning

KIND, VERSION = ENROLL, 1

ENDS = {
    State.EXPIRED: learning.ENROLLMENT_STATUS_EXPIRED,
    State.PAYMENT_FAILED: learning.ENROLLMENT_STATUS_PAYMENT_FAILED,
    State.CANCELLED: learning.ENROLLMENT_STATUS_CANCELLED,
}


async def verify_course(peers: Peers, course_id: UUID) -> None:
    """Raises the refusal of a course that does not exist or is not published; asks for no seat."""
    request = learning.VerifyCourseRequest(course_id=str(course_id))
    await asked(lambda: peers.learning.VerifyCourse(request, timeout=STEP_SECONDS))


async def hold_seat(peers: Peers, saga: Saga) -> Saga:
    """Verifies the course, takes the seat and records the enrollment that awaits its payment: one call, all or none."""
    request = learning.HoldSeatRequest(
        saga_id=str(saga.id),
        enrollment_id=str(saga.booking_id),
        course_id=str(saga.course_id),
        student_id=str(saga.student_id),
        payment_id=str(saga.payment_id),
    )
    hold = await held(saga, lambda: peers.learning.HoldSeat(request, timeout=STEP_SECONDS))
    return replace(holding(saga, hold, booked=True), tutor_id=UUID(hold.instructor_id))


async def end_enrollment(peers: Peers, saga: Saga) -> None:
    end = ENDS[booking_end(saga)]
    request = learning.EndEnrollmentRequest(enrollment_id=str(saga.booking_id), saga_id=str(saga.id), status=end)
    await asked(lambda: peers.learning.EndEnrollment(request, timeout=STEP_SECONDS))


async def activate(peers: Peers, saga: Saga) -> Saga:
    request = learning.CreateEnrollmentRecordRequest(enrollment_id=str(saga.booking_id), saga_id=str(saga.id))
    made = await asked(lambda: peers.learning.CreateEnrollmentRecord(request, timeout=STEP_SECONDS))
    return replace(saga, tutor_id=UUID(made.enrollment.instructor_id))


def enroll_in_course(peers: Peers) -> Definition:
    """The saga as its steps."""
    return Definition(
        kind=KIND,
        version=VERSION,
        opening=(
            Step("hold_seat", do=partial(hold_seat, peers), undo=partial(end_enrollment, peers)),
        ),  # then the PaymentIntent is opened, and the saga waits for the payment or the hold's end
        pivot=Step("create_enrollment_record", do=partial(activate, peers)),
        closing=(),
    )
