"""EnrollInCourseSaga: how a seat in a course is sold.

One call holds the seat and records the enrollment, then the payment is opened. The saga sleeps until the student pays or
the hold ends. The payment makes the enrollment active: the point of no return.

`ENROLL_IN_COURSE` below is the whole story in order. The functions are its steps. What they learn is in EnrollmentFacts.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from mesh import wire
from mesh.money import Money
from payment_svc.domain import ENROLL, AmountMismatch, Saga, State, Undo
from payment_svc.peers import STEP_SECONDS, Peers, call_peer
from payment_svc.selling.definition import Definition, OpenPayment, Pivot, Step, WaitForPayment
from payment_svc.selling.holding import RefusedInDoubt, call_hold, with_hold
from payment_svc.selling.payment import close_payment, look_at_payment, open_payment, refund_payment
from payment_svc.selling.transitions import end_of_sale
from tutormesh.learning.v1 import learning_pb2 as learning


async def verify_course(peers: Peers, course_id: UUID) -> str:
    """The course's title. Raises the refusal of one that does not exist or is not published. Holds no seat."""
    request = learning.VerifyCourseRequest(course_id=str(course_id))
    verified = await call_peer(lambda: peers.learning.VerifyCourse(request, timeout=STEP_SECONDS))
    return verified.course.title


async def hold_seat(peers: Peers, saga: Saga) -> Saga:
    """Verify the course, hold the seat and record the enrollment as PAYMENT_REQUIRED: one call, all or none.

    The learning service refuses another price than the student was shown. One of the version before does not know that
    price: then the seat is held, and is given back.
    """
    asked = saga.purchase_facts.asked_price
    request = learning.HoldSeatRequest(
        saga_id=str(saga.id),
        enrollment_id=str(saga.sold_id),
        course_id=str(saga.course_id),
        student_id=str(saga.student_id),
        payment_id=str(saga.payment_id),
        expected_price=wire.to_money(asked.whole) if asked else None,
    )
    hold = await call_hold(saga, lambda: peers.learning.HoldSeat(request, timeout=STEP_SECONDS))
    try:
        if asked is not None:
            asked.agree(Money(hold.price.amount_minor, hold.price.currency))
    except AmountMismatch as refusal:
        raise RefusedInDoubt(refusal) from refusal
    held = with_hold(saga, hold, is_recorded=True, course_title=hold.course_title)
    return replace(held, tutor_id=UUID(hold.instructor_id))


STATUS_OF_END = {
    State.EXPIRED: learning.ENROLLMENT_STATUS_EXPIRED,
    State.PAYMENT_FAILED: learning.ENROLLMENT_STATUS_PAYMENT_FAILED,
    State.CANCELLED: learning.ENROLLMENT_STATUS_CANCELLED,
}


async def end_enrollment(peers: Peers, saga: Saga) -> None:
    request = learning.EndEnrollmentRequest(
        enrollment_id=str(saga.sold_id), saga_id=str(saga.id), status=STATUS_OF_END[end_of_sale(saga)]
    )
    await call_peer(lambda: peers.learning.EndEnrollment(request, timeout=STEP_SECONDS))


async def activate_enrollment(peers: Peers, saga: Saga) -> Saga:
    """Make the enrollment active. A hold that has lapsed is won again if a seat is still free, else refused."""
    request = learning.CreateEnrollmentRecordRequest(enrollment_id=str(saga.sold_id), saga_id=str(saga.id))
    made = await call_peer(lambda: peers.learning.CreateEnrollmentRecord(request, timeout=STEP_SECONDS))
    return replace(saga, tutor_id=UUID(made.enrollment.instructor_id))


ENROLL_IN_COURSE = Definition(
    kind=ENROLL,
    version=1,
    steps=(
        Step(hold_seat, undo=end_enrollment),
        OpenPayment(open_payment, undo=close_payment, refund=refund_payment),
        WaitForPayment(look_at_payment, hold_ends=Undo.EXPIRED, every_attempt_declined=Undo.DECLINED),
        Pivot(activate_enrollment, refused=Undo.SLOT_LOST),
    ),
)
