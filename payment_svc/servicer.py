"""The RPCs of payment_svc: decode, call a use case, encode."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from mesh import calls, cursors, wire
from mesh.errors import Forbidden
from payment_svc.cancelling.cancel import Cancelling
from payment_svc.convert.links import encode_cancellation_quote, encode_checkout, encode_managed
from payment_svc.convert.orders import (
    decode_course_order,
    decode_lesson_order,
    decode_report,
    encode_booked,
    encode_enrolled,
    encode_quote,
)
from payment_svc.convert.payments import (
    decode_ids,
    encode_event,
    encode_live_payment,
    encode_payment,
    encode_payments_page,
    encode_timelines,
)
from payment_svc.links.addresses import Links
from payment_svc.pages.checkout import Checkouts
from payment_svc.pages.managing import Managing
from payment_svc.payments import Payments
from payment_svc.selling.orders import CourseOrders, LessonOrders
from payment_svc.settling.callbacks import Callbacks
from payment_svc.settling.refreshing import Refreshing
from payment_svc.settling.webhooks import Webhooks
from tutormesh.payment.v1 import (
    link_pb2,
    link_pb2_grpc,
    payment_pb2_grpc,
)
from tutormesh.payment.v1 import payment_pb2 as pb

OPS_PAGE = 1000
Context = Any


@dataclass(frozen=True, slots=True)
class Purchases:
    """The use cases that sell, and those that take back."""

    lessons: LessonOrders
    courses: CourseOrders
    cancel_lessons: Cancelling
    cancel_courses: Cancelling


class PaymentServicer(payment_pb2_grpc.PaymentServiceServicer):
    """PaymentService."""

    def __init__(
        self,
        purchases: Purchases,
        payments: Payments,
        webhooks: Webhooks,
        callbacks: Callbacks,
        refreshing: Refreshing,
        links: Links,
    ) -> None:
        self._purchases, self._payments, self._links = purchases, payments, links
        self._webhooks, self._callbacks, self._refreshing = webhooks, callbacks, refreshing
        self._encode = partial(encode_payment, max_attempts=payments.max_attempts, links=links)

    async def BookSession(self, request: pb.BookSessionRequest, context: Context) -> pb.BookSessionResponse:
        order = decode_lesson_order(request)
        _check_buys_for_oneself(order.student_id)
        return encode_booked(await self._purchases.lessons.book(order), self._links)

    async def EnrollInCourse(self, request: pb.EnrollInCourseRequest, context: Context) -> pb.EnrollInCourseResponse:
        order = decode_course_order(request)
        _check_buys_for_oneself(order.student_id)
        return encode_enrolled(await self._purchases.courses.enroll(order), self._links)

    async def QuoteEnrollmentCancellation(
        self, request: pb.QuoteEnrollmentCancellationRequest, context: Context
    ) -> pb.QuoteEnrollmentCancellationResponse:
        offer = await _quote(self._purchases.cancel_courses, wire.uuid(request.enrollment_id, "enrollment_id"))
        return pb.QuoteEnrollmentCancellationResponse(**offer)

    async def CancelEnrollment(
        self, request: pb.CancelEnrollmentRequest, context: Context
    ) -> pb.CancelEnrollmentResponse:
        enrollment_id = wire.uuid(request.enrollment_id, "enrollment_id")
        token, reason = wire.text(request.quote_token, "quote_token", 2000), wire.text(request.reason, "reason", 1000)
        cancelled = await self._purchases.cancel_courses.cancel(enrollment_id, token, reason)
        return pb.CancelEnrollmentResponse(refund=wire.to_money(cancelled.refund), saga_id=str(cancelled.saga_id))

    async def CreatePaymentIntent(
        self, request: pb.CreatePaymentIntentRequest, context: Context
    ) -> pb.CreatePaymentIntentResponse:
        booking_id, amount = wire.uuid(request.booking_id, "booking_id"), wire.money(request, "amount")
        saga = await self._payments.find_payable(booking_id, amount)
        return encode_live_payment(saga, await self._payments.get(saga.payment_id))

    async def RefreshBooking(self, request: pb.RefreshBookingRequest, context: Context) -> pb.RefreshBookingResponse:
        saga = await self._refreshing.refresh(wire.uuid(request.booking_id, "booking_id"))
        return pb.RefreshBookingResponse(saga_state=saga.state.value)

    async def QuoteCancellation(
        self, request: pb.QuoteCancellationRequest, context: Context
    ) -> pb.QuoteCancellationResponse:
        offer = await _quote(self._purchases.cancel_lessons, wire.uuid(request.booking_id, "booking_id"))
        return pb.QuoteCancellationResponse(**offer)

    async def CancelBooking(self, request: pb.CancelBookingRequest, context: Context) -> pb.CancelBookingResponse:
        booking_id = wire.uuid(request.booking_id, "booking_id")
        token, reason = wire.text(request.quote_token, "quote_token", 2000), wire.text(request.reason, "reason", 1000)
        cancelled = await self._purchases.cancel_lessons.cancel(booking_id, token, reason)
        return pb.CancelBookingResponse(refund=wire.to_money(cancelled.refund), saga_id=str(cancelled.saga_id))

    async def GetPayment(self, request: pb.GetPaymentRequest, context: Context) -> pb.GetPaymentResponse:
        payment = await self._payments.get(wire.uuid(request.payment_id, "payment_id"))
        return pb.GetPaymentResponse(payment=self._encode(payment))

    async def BatchGetPayments(
        self, request: pb.BatchGetPaymentsRequest, context: Context
    ) -> pb.BatchGetPaymentsResponse:
        found = await self._payments.get_many(wire.uuids(request.payment_ids, "payment_ids"))
        return pb.BatchGetPaymentsResponse(payments=map(self._encode, found))

    async def ListPayments(self, request: pb.ListPaymentsRequest, context: Context) -> pb.ListPaymentsResponse:
        if not request.student_id:
            return await self._list_all(request)
        size = wire.page_size(request.page_size, 20)
        student, after = wire.uuid(request.student_id, "student_id"), cursors.decode(request.page_token)
        found = await self._payments.history(student, after, size + 1)
        return pb.ListPaymentsResponse(**encode_payments_page(found, size, self._encode))

    async def ListTutorPayments(
        self, request: pb.ListTutorPaymentsRequest, context: Context
    ) -> pb.ListTutorPaymentsResponse:
        size = wire.page_size(request.page_size, 20)
        tutor, after = wire.uuid(request.tutor_id, "tutor_id"), cursors.decode(request.page_token)
        found = await self._payments.of_tutor(tutor, after, size + 1)
        return pb.ListTutorPaymentsResponse(**encode_payments_page(found, size, self._encode))

    async def _list_all(self, request: pb.ListPaymentsRequest) -> pb.ListPaymentsResponse:
        if request.ids:
            found = await self._payments.list_of(*decode_ids(request.ids))
            return pb.ListPaymentsResponse(payments=map(self._encode, found))
        size = wire.page_size(request.page_size, 500, OPS_PAGE)
        found = await self._payments.list_all(cursors.decode_id(request.page_token), size)
        more = cursors.encode_id(found[-1].id) if len(found) == size else ""
        return pb.ListPaymentsResponse(payments=map(self._encode, found), next_page_token=more)

    async def GetSagaProgress(self, request: pb.GetSagaProgressRequest, context: Context) -> pb.GetSagaProgressResponse:
        saga = await self._payments.get_saga(wire.uuid(request.saga_id, "saga_id"))
        return pb.GetSagaProgressResponse(
            saga_id=str(saga.id), saga_state=saga.state.value, is_complete=saga.is_complete
        )

    async def GetBookingTimeline(
        self, request: pb.GetBookingTimelineRequest, context: Context
    ) -> pb.GetBookingTimelineResponse:
        events = await self._payments.timeline(wire.uuid(request.booking_id, "booking_id"))
        return pb.GetBookingTimelineResponse(entries=map(encode_event, events))

    async def BatchGetBookingTimelines(
        self, request: pb.BatchGetBookingTimelinesRequest, context: Context
    ) -> pb.BatchGetBookingTimelinesResponse:
        found = await self._payments.timelines(wire.uuids(request.booking_ids, "booking_ids"))
        return encode_timelines(found)

    async def HandleStripeWebhook(
        self, request: pb.HandleStripeWebhookRequest, context: Context
    ) -> pb.HandleStripeWebhookResponse:
        await self._webhooks.receive(request.payload, request.signature)
        return pb.HandleStripeWebhookResponse()

    async def HandlePaymentCallback(
        self, request: pb.HandlePaymentCallbackRequest, context: Context
    ) -> pb.HandlePaymentCallbackResponse:
        person = calls.current().person
        if person is not None and not person.is_service:
            raise Forbidden("only a service may report a payment")
        saga = await self._callbacks.receive(decode_report(request))
        return pb.HandlePaymentCallbackResponse(saga_state=saga.state.value)


async def _quote(cancelling: Cancelling, sold_id: UUID) -> dict[str, Any]:
    """The fields of a quote. Raises NotFound, NotCancellable, TryAgain."""
    quote, currency = await cancelling.quote(sold_id)
    return encode_quote(quote, currency, cancelling.quotes.token(quote))


def _check_buys_for_oneself(student_id: UUID) -> None:
    """Raises Forbidden unless a student asks for themselves, or a service for anybody."""
    person = calls.current().person
    if person is None or person.is_service:
        return
    if person.id != student_id:
        raise Forbidden("a person buys for themselves", field="student_id")
    if "student" not in person.roles:
        raise Forbidden("only a student buys")


class LinkServicer(link_pb2_grpc.LinkServiceServicer):
    """LinkService."""

    def __init__(self, checkouts: Checkouts, managing: Managing) -> None:
        self._checkouts, self._managing = checkouts, managing

    async def OpenCheckout(
        self, request: link_pb2.OpenCheckoutRequest, context: Context
    ) -> link_pb2.OpenCheckoutResponse:
        view = await self._checkouts.open(request.token)
        return link_pb2.OpenCheckoutResponse(checkout=encode_checkout(view))

    async def RefreshCheckout(
        self, request: link_pb2.RefreshCheckoutRequest, context: Context
    ) -> link_pb2.RefreshCheckoutResponse:
        view = await self._checkouts.refresh(request.token)
        return link_pb2.RefreshCheckoutResponse(checkout=encode_checkout(view))

    async def OpenPurchase(
        self, request: link_pb2.OpenPurchaseRequest, context: Context
    ) -> link_pb2.OpenPurchaseResponse:
        return encode_managed(await self._managing.open(request.token))

    async def QuotePurchaseCancellation(
        self, request: link_pb2.QuotePurchaseCancellationRequest, context: Context
    ) -> link_pb2.QuotePurchaseCancellationResponse:
        quote, currency, cancelling = await self._managing.quote(request.token)
        return encode_cancellation_quote(quote, currency, cancelling.quotes.token(quote))

    async def CancelPurchase(
        self, request: link_pb2.CancelPurchaseRequest, context: Context
    ) -> link_pb2.CancelPurchaseResponse:
        quote, reason = wire.text(request.quote_token, "quote_token", 2000), wire.text(request.reason, "reason", 1000)
        cancelled = await self._managing.cancel(request.token, quote, reason)
        return link_pb2.CancelPurchaseResponse(refund=wire.to_money(cancelled.refund))
