"""The RPCs of payment_svc: decode, call a use case, encode."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mesh import calls, cursors, wire
from mesh.errors import BadInput, Forbidden
from payment_svc import convert
from payment_svc.cancelling.cancel import Cancelling
from payment_svc.notifications.delivering import Deliveries
from payment_svc.operators import Operators
from payment_svc.payments import Payments
from payment_svc.providers.port import Intent, ProviderRefused
from payment_svc.providers.registry import Engines
from payment_svc.selling.booking import Purchasing
from payment_svc.selling.enrolling import Enrolling
from payment_svc.settling.callbacks import Callbacks
from payment_svc.settling.reconcile import Reconcile
from payment_svc.settling.webhooks import Webhooks
from tutormesh.payment.v1 import notification_pb2, notification_pb2_grpc, payment_pb2_grpc, saga_pb2, saga_pb2_grpc
from tutormesh.payment.v1 import payment_pb2 as pb

OPS_PAGE = 1000
#: Questions to the provider at the same time for one page of the audit: Stripe limits us to 100 a second in all.
PROVIDER_CALLS = 4
MAX_WEBHOOK_BYTES = 1024 * 1024
Context = Any


@dataclass(frozen=True, slots=True)
class Purchases:
    """What sells, and what takes back."""

    lessons: Purchasing
    courses: Enrolling
    lessons_back: Cancelling
    courses_back: Cancelling


class PaymentServicer(payment_pb2_grpc.PaymentServiceServicer):
    """PaymentService."""

    def __init__(self, purchases: Purchases, payments: Payments, webhooks: Webhooks, callbacks: Callbacks) -> None:
        self._purchases, self._payments = purchases, payments
        self._webhooks, self._callbacks = webhooks, callbacks

    async def BookSession(self, request: pb.BookSessionRequest, context: Context) -> pb.BookSessionResponse:
        order = convert.order(request)
        _must_be_for_oneself(order.student_id)
        return convert.book_session_response(await self._purchases.lessons.book(order))

    async def EnrollInCourse(self, request: pb.EnrollInCourseRequest, context: Context) -> pb.EnrollInCourseResponse:
        order = convert.course_order(request)
        _must_be_for_oneself(order.student_id)
        return convert.enroll_in_course_response(await self._purchases.courses.enroll(order))

    async def CancelEnrollment(
        self, request: pb.CancelEnrollmentRequest, context: Context
    ) -> pb.CancelEnrollmentResponse:
        enrollment_id = wire.uuid(request.enrollment_id, "enrollment_id")
        reason = wire.text(request.reason, "reason", 1000)
        cancelled = await self._purchases.courses_back.cancel(enrollment_id, "", reason)
        return pb.CancelEnrollmentResponse(refund=wire.to_money(cancelled.refund), saga_id=str(cancelled.saga_id))

    async def CreatePaymentIntent(
        self, request: pb.CreatePaymentIntentRequest, context: Context
    ) -> pb.CreatePaymentIntentResponse:
        booking_id, amount = wire.uuid(request.booking_id, "booking_id"), wire.money(request, "amount")
        saga = await self._payments.live_intent(booking_id, amount)
        return pb.CreatePaymentIntentResponse(
            payment_intent_id=saga.payment_intent_id or "", client_secret=saga.context.get("client_secret", "")
        )

    async def QuoteCancellation(
        self, request: pb.QuoteCancellationRequest, context: Context
    ) -> pb.QuoteCancellationResponse:
        quote, currency = await self._purchases.lessons_back.quote(wire.uuid(request.booking_id, "booking_id"))
        return convert.quote_response(quote, currency, self._purchases.lessons_back.quotes.token(quote))

    async def CancelBooking(self, request: pb.CancelBookingRequest, context: Context) -> pb.CancelBookingResponse:
        booking_id = wire.uuid(request.booking_id, "booking_id")
        token, reason = wire.text(request.quote_token, "quote_token", 2000), wire.text(request.reason, "reason", 1000)
        cancelled = await self._purchases.lessons_back.cancel(booking_id, token, reason)
        return pb.CancelBookingResponse(refund=wire.to_money(cancelled.refund), saga_id=str(cancelled.saga_id))

    async def GetPayment(self, request: pb.GetPaymentRequest, context: Context) -> pb.GetPaymentResponse:
        payment = await self._payments.get(wire.uuid(request.payment_id, "payment_id"))
        return pb.GetPaymentResponse(payment=convert.payment(payment))

    async def BatchGetPayments(
        self, request: pb.BatchGetPaymentsRequest, context: Context
    ) -> pb.BatchGetPaymentsResponse:
        found = await self._payments.these(wire.uuids(request.payment_ids, "payment_ids"))
        return pb.BatchGetPaymentsResponse(payments=map(convert.payment, found))

    async def ListPayments(self, request: pb.ListPaymentsRequest, context: Context) -> pb.ListPaymentsResponse:
        if not request.student_id:
            return await self._everybodys(request)
        size = wire.page_size(request.page_size, 20)
        student, after = wire.uuid(request.student_id, "student_id"), cursors.decode(request.page_token)
        found = await self._payments.history(student, after, size + 1)
        more = cursors.encode(found[size - 1].created_at, found[size - 1].id) if len(found) > size else ""
        return pb.ListPaymentsResponse(payments=map(convert.payment, found[:size]), next_page_token=more)

    async def _everybodys(self, request: pb.ListPaymentsRequest) -> pb.ListPaymentsResponse:
        size = wire.page_size(request.page_size, 500, OPS_PAGE)
        found = await self._payments.everybodys(cursors.decode_id(request.page_token), size)
        more = cursors.encode_id(found[-1].id) if len(found) == size else ""
        return pb.ListPaymentsResponse(payments=map(convert.payment, found), next_page_token=more)

    async def GetBookingTimeline(
        self, request: pb.GetBookingTimelineRequest, context: Context
    ) -> pb.GetBookingTimelineResponse:
        events = await self._payments.timeline(wire.uuid(request.booking_id, "booking_id"))
        return pb.GetBookingTimelineResponse(entries=map(convert.timeline, events))

    async def BatchGetBookingTimelines(
        self, request: pb.BatchGetBookingTimelinesRequest, context: Context
    ) -> pb.BatchGetBookingTimelinesResponse:
        found = await self._payments.timelines(wire.uuids(request.booking_ids, "booking_ids"))
        return convert.timelines(found)

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
        saga = await self._callbacks.receive(convert.report(request))
        return pb.HandlePaymentCallbackResponse(saga_state=saga.state.value)


def _must_be_for_oneself(student_id: UUID) -> None:
    """Raises Forbidden unless a student asks for themselves, or a service for anybody."""
    person = calls.current().person
    if person is None or person.is_service:
        return
    if person.id != student_id:
        raise Forbidden("a person buys for themselves", field="student_id")
    if "student" not in person.roles:
        raise Forbidden("only a student buys")


class SagaServicer(saga_pb2_grpc.SagaServiceServicer):
    """SagaService."""

    def __init__(self, operators: Operators, reconcile: Reconcile, engines: Engines) -> None:
        self._operators, self._reconcile, self._engines = operators, reconcile, engines

    async def ListSagas(self, request: saga_pb2.ListSagasRequest, context: Context) -> saga_pb2.ListSagasResponse:
        size, after = wire.page_size(request.page_size, 50, OPS_PAGE), cursors.decode(request.page_token)
        found = await self._operators.list(request.state, request.open_only, after, size + 1)
        more = cursors.encode(found[size - 1].created_at, found[size - 1].id) if len(found) > size else ""
        return saga_pb2.ListSagasResponse(sagas=map(convert.saga, found[:size]), next_page_token=more)

    async def GetSaga(self, request: saga_pb2.GetSagaRequest, context: Context) -> saga_pb2.GetSagaResponse:
        saga, events = await self._operators.show(wire.uuid(request.saga_id, "saga_id"))
        return saga_pb2.GetSagaResponse(saga=convert.saga(saga), events=map(convert.timeline, events))

    async def RetrySaga(self, request: saga_pb2.RetrySagaRequest, context: Context) -> saga_pb2.RetrySagaResponse:
        saga = await self._operators.retry(wire.uuid(request.saga_id, "saga_id"))
        return saga_pb2.RetrySagaResponse(saga=convert.saga(saga))

    async def ResolveSaga(self, request: saga_pb2.ResolveSagaRequest, context: Context) -> saga_pb2.ResolveSagaResponse:
        saga_id, note = wire.uuid(request.saga_id, "saga_id"), wire.text(request.note, "note", 1000, least=1)
        return saga_pb2.ResolveSagaResponse(
            saga=convert.saga(await self._operators.resolve(saga_id, request.state, note))
        )

    async def Reconcile(self, request: saga_pb2.ReconcileRequest, context: Context) -> saga_pb2.ReconcileResponse:
        if not request.is_paged:
            return convert.found(await self._reconcile.everything(), None)
        return convert.found(*await self._reconcile.page(convert.to_place(request.page_token)))

    async def ListProviderIntents(
        self, request: saga_pb2.ListProviderIntentsRequest, context: Context
    ) -> saga_pb2.ListProviderIntentsResponse:
        size = wire.page_size(request.page_size, 100)
        token = wire.text(request.page_token, "page_token", 255)
        try:
            page, more = await self._engines.page(token, size)
        except ProviderRefused as error:
            raise BadInput("is no page of the provider's", field="page_token") from error
        few = asyncio.Semaphore(PROVIDER_CALLS)
        intents = await asyncio.gather(*(self._told(intent, few) for intent in page if intent.saga_id is not None))
        return saga_pb2.ListProviderIntentsResponse(intents=intents, next_page_token=more)

    async def _told(self, intent: Intent, few: asyncio.Semaphore) -> saga_pb2.ProviderIntent:
        if not intent.received:
            return convert.provider_intent(intent, [])
        async with few:
            return convert.provider_intent(intent, await self._engines.refunds(intent.id))


class NotificationServicer(notification_pb2_grpc.NotificationServiceServicer):
    """NotificationService."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries

    async def ListNotifications(
        self, request: notification_pb2.ListNotificationsRequest, context: Context
    ) -> notification_pb2.ListNotificationsResponse:
        size, status = wire.page_size(request.page_size, 50, OPS_PAGE), convert.delivery_status(request.status)
        about, before = wire.optional_uuid(request.subject_id, "subject_id"), convert.place(request.page_token)
        found = await self._deliveries.store.list(status, about, before, size + 1)
        more = str(found[size - 1].seq) if len(found) > size else ""
        return notification_pb2.ListNotificationsResponse(
            notifications=map(convert.notification, found[:size]), next_page_token=more
        )

    async def RetryNotifications(
        self, request: notification_pb2.RetryNotificationsRequest, context: Context
    ) -> notification_pb2.RetryNotificationsResponse:
        message_id = wire.optional_uuid(request.notification_id, "notification_id")
        return notification_pb2.RetryNotificationsResponse(retried=await self._deliveries.retry(message_id))
