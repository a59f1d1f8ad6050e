"""The RPC request of each row of the table, about the records of a scene."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from mesh import clock
from tests.access.scene import Scene
from tests.people import WEEK
from tutormesh.availability.v1 import availability_pb2 as availability
from tutormesh.booking.v1 import booking_pb2 as booking
from tutormesh.common.v1.money_pb2 import Money
from tutormesh.learning.v1 import learning_pb2 as learning
from tutormesh.payment.v1 import payment_pb2 as payment
from tutormesh.session.v1 import session_pb2 as session

Build = Callable[[Scene, str], Awaitable[Message]]
RPC_REQUESTS: dict[str, Build] = {}
PRICE = Money(amount_minor=5000, currency="USD")


def asks(name: str, build: Callable[[Scene], Message]) -> None:
    """Register the request of a row that reads, or that can be repeated."""

    async def built(scene: Scene, _: str) -> Message:
        return build(scene)

    RPC_REQUESTS[name] = built


def row(name: str) -> Callable[[Build], Build]:
    """Register the request of a row that needs a new record for each caller."""

    def register(build: Build) -> Build:
        RPC_REQUESTS[name] = build
        return build

    return register


def _stamp(value: Any) -> Timestamp:
    stamp = clock.to_proto(value)
    assert stamp is not None
    return stamp


def _hours(scene: Scene) -> availability.PublishAvailabilityRequest:
    days = [availability.Weekday.Value(f"WEEKDAY_{day}") for day in WEEK]
    windows = [availability.WeeklyWindow(weekday=day, start="00:00", end="24:00") for day in days]
    return availability.PublishAvailabilityRequest(
        tutor_id=str(scene.tutor), timezone="UTC", weekly=windows, rate=PRICE
    )


def _slots(scene: Scene) -> availability.ListSlotsRequest:
    begin = scene.time()
    request = availability.ListSlotsRequest(tutor_id=str(scene.tutor), duration_minutes=60, to=_stamp(scene.time()))
    getattr(request, "from").CopyFrom(_stamp(begin))
    return request


def _block(scene: Scene) -> availability.BlockTimeRequest:
    start = scene.time()
    block = availability.TimeBlock(start=_stamp(start), end=_stamp(start.replace(minute=30)))
    return availability.BlockTimeRequest(tutor_id=str(scene.tutor), blocks=[block])


def _order(scene: Scene, student: Any) -> payment.BookSessionRequest:
    time = _stamp(scene.time())
    return payment.BookSessionRequest(
        student_id=str(student), tutor_id=str(scene.tutor), start_time=time, duration_minutes=60
    )


@row("AvailabilityService.RemoveBlock")
async def _remove_block(scene: Scene, _: str) -> Message:
    return availability.RemoveBlockRequest(tutor_id=str(scene.tutor), block_id=await scene.block())


@row("AvailabilityService.ListBlocks")
async def _list_blocks(scene: Scene, _: str) -> Message:
    await scene.block()
    return availability.ListBlocksRequest(tutor_id=str(scene.tutor))


@row("LearningService.PublishCourse: a draft")
async def _publish_course(scene: Scene, _: str) -> Message:
    return learning.PublishCourseRequest(course_id=(await scene.make_course(published=False)).id)


@row("PaymentService.BookSession: for oneself")
async def _book_for_oneself(scene: Scene, who: str) -> Message:
    return _order(scene, scene.ids[who])


@row("PaymentService.EnrollInCourse: for oneself")
async def _enroll_oneself(scene: Scene, who: str) -> Message:
    course = await scene.make_course()
    return payment.EnrollInCourseRequest(student_id=str(scene.ids[who]), course_id=course.id)


@row("PaymentService.EnrollInCourse")
async def _enroll(scene: Scene, _: str) -> Message:
    course = await scene.make_course()
    return payment.EnrollInCourseRequest(student_id=str(scene.student), course_id=course.id)


@row("PaymentService.CancelEnrollment")
async def _cancel_enrollment(scene: Scene, _: str) -> Message:
    return payment.CancelEnrollmentRequest(enrollment_id=(await scene.enroll()).id)


@row("PaymentService.CreatePaymentIntent")
async def _create_payment_intent(scene: Scene, _: str) -> Message:
    return payment.CreatePaymentIntentRequest(booking_id=(await scene.book()).booking, amount=PRICE)


@row("PaymentService.BookSession: through another provider")
async def _through_another_provider(scene: Scene, _: str) -> Message:
    order = _order(scene, scene.student)
    order.payment_engine = payment.PAYMENT_ENGINE_CALLBACK
    return order


@row("PaymentService.HandlePaymentCallback")
async def _report(scene: Scene, _: str) -> Message:
    return payment.HandlePaymentCallbackRequest(
        booking_id=scene.lesson.booking, payment_reference="r", payment_status=payment.CALLBACK_STATUS_FAILED
    )


@row("PaymentService.CancelBooking")
async def _cancel_booking(scene: Scene, _: str) -> Message:
    return payment.CancelBookingRequest(booking_id=(await scene.book()).booking)


asks("AvailabilityService.PublishAvailability", _hours)
asks("AvailabilityService.GetSchedule", lambda scene: availability.GetScheduleRequest(tutor_id=str(scene.tutor)))
asks("AvailabilityService.ListSlots", _slots)
asks("AvailabilityService.ListTutors", lambda _: availability.ListTutorsRequest())
asks("AvailabilityService.BlockTime", _block)
asks("AvailabilityService.ListClaims: everybody's", lambda _: availability.ListClaimsRequest())
asks("AvailabilityService.CleanUpHolds: everybody's", lambda _: availability.CleanUpHoldsRequest())
asks("BookingService.GetBooking", lambda scene: booking.GetBookingRequest(booking_id=scene.lesson.booking))
asks("BookingService.BatchGetBookings", lambda s: booking.BatchGetBookingsRequest(booking_ids=[s.lesson.booking]))
asks("BookingService.BatchGetTimelines", lambda s: booking.BatchGetTimelinesRequest(booking_ids=[s.lesson.booking]))
asks("BookingService.ListBookings: the student's", lambda s: booking.ListBookingsRequest(person_id=str(s.student)))
asks("BookingService.ListBookings: the tutor's", lambda s: booking.ListBookingsRequest(person_id=str(s.tutor)))
asks("BookingService.ListBookings: everybody's", lambda _: booking.ListBookingsRequest())
asks("BookingService.WatchBooking", lambda scene: booking.WatchBookingRequest(booking_id=scene.lesson.booking))
asks(
    "LearningService.CreateCourse",
    lambda s: learning.CreateCourseRequest(
        course_id=str(uuid4()), title="Fractions", instructor_id=str(s.tutor), price=PRICE
    ),
)
asks("LearningService.PublishCourse: published", lambda s: learning.PublishCourseRequest(course_id=s.course.id))
asks("LearningService.GetCourse: a draft", lambda scene: learning.GetCourseRequest(course_id=scene.draft.id))
asks("LearningService.GetCourse: published", lambda scene: learning.GetCourseRequest(course_id=scene.course.id))
asks("LearningService.BatchGetCourses: a draft", lambda s: learning.BatchGetCoursesRequest(course_ids=[s.draft.id]))
asks("LearningService.ListCourses", lambda _: learning.ListCoursesRequest())
asks("LearningService.VerifyCourse", lambda scene: learning.VerifyCourseRequest(course_id=scene.course.id))
asks("LearningService.GetEnrollment", lambda scene: learning.GetEnrollmentRequest(enrollment_id=scene.enrollment.id))
asks(
    "LearningService.BatchGetEnrollments",
    lambda scene: learning.BatchGetEnrollmentsRequest(enrollment_ids=[scene.enrollment.id]),
)
asks("LearningService.WatchEnrollment", lambda s: learning.WatchEnrollmentRequest(enrollment_id=s.enrollment.id))
asks("LearningService.ListEnrollments", lambda scene: learning.ListEnrollmentsRequest(student_id=str(scene.student)))
asks("LearningService.ListEnrollments: everybody's", lambda _: learning.ListEnrollmentsRequest())
asks("PaymentService.BookSession", lambda scene: _order(scene, scene.student))
asks("PaymentService.RefreshBooking", lambda s: payment.RefreshBookingRequest(booking_id=s.lesson.booking))
asks("PaymentService.QuoteCancellation", lambda s: payment.QuoteCancellationRequest(booking_id=s.lesson.booking))
asks(
    "PaymentService.QuoteEnrollmentCancellation",
    lambda scene: payment.QuoteEnrollmentCancellationRequest(enrollment_id=scene.enrollment.id),
)
asks("PaymentService.GetPayment", lambda scene: payment.GetPaymentRequest(payment_id=scene.lesson.payment))
asks("PaymentService.BatchGetPayments", lambda s: payment.BatchGetPaymentsRequest(payment_ids=[s.lesson.payment]))
asks("PaymentService.ListPayments", lambda scene: payment.ListPaymentsRequest(student_id=str(scene.student)))
asks("PaymentService.ListPayments: everybody's", lambda _: payment.ListPaymentsRequest())
asks("PaymentService.ListTutorPayments", lambda scene: payment.ListTutorPaymentsRequest(tutor_id=str(scene.tutor)))
asks("PaymentService.GetSagaProgress", lambda scene: payment.GetSagaProgressRequest(saga_id=scene.lesson.saga))
asks("PaymentService.GetBookingTimeline", lambda s: payment.GetBookingTimelineRequest(booking_id=s.lesson.booking))
asks(
    "PaymentService.BatchGetBookingTimelines",
    lambda scene: payment.BatchGetBookingTimelinesRequest(booking_ids=[scene.lesson.booking]),
)
asks("SessionService.CompleteSession", lambda scene: session.CompleteSessionRequest(session_id=scene.lesson.session))
asks("SessionService.GetSession", lambda scene: session.GetSessionRequest(session_id=scene.lesson.session))
asks("SessionService.BatchGetSessions", lambda s: session.BatchGetSessionsRequest(session_ids=[s.lesson.session]))
asks("SessionService.ListSessions: the student's", lambda s: session.ListSessionsRequest(person_id=str(s.student)))
asks("SessionService.ListSessions: the tutor's", lambda s: session.ListSessionsRequest(person_id=str(s.tutor)))
asks("SessionService.ListSessions: everybody's", lambda _: session.ListSessionsRequest())
