"""proto ↔ the schema of `payments.graphql`."""

from __future__ import annotations

from uuid import UUID

from bff.graphql.convert.values import Arguments, Shape, enum_name, money, read_page
from bff.payment_refusal import payment_refusal
from bff.times import format_time
from tutormesh.common.v1 import money_pb2
from tutormesh.payment.v1 import payment_pb2


def list_payments_request(student: UUID, arguments: Arguments) -> payment_pb2.ListPaymentsRequest:
    return payment_pb2.ListPaymentsRequest(student_id=str(student), **read_page(arguments))


def list_tutor_payments_request(tutor: UUID, arguments: Arguments) -> payment_pb2.ListTutorPaymentsRequest:
    return payment_pb2.ListTutorPaymentsRequest(tutor_id=str(tutor), **read_page(arguments))


def payment(value: payment_pb2.Payment) -> Shape:
    nothing = money_pb2.Money(amount_minor=0, currency=value.amount.currency)
    return {
        "id": value.id,
        "userId": value.student_id,
        "amount": money(value.amount),
        "refunded": money(value.refunded if value.HasField("refunded") else nothing),
        "refundPending": money(value.refund_pending if value.HasField("refund_pending") else nothing),
        "refundState": enum_name(payment_pb2.RefundState, value.refund_state or payment_pb2.REFUND_STATE_NONE),
        "status": enum_name(payment_pb2.PaymentStatus, value.status),
        "context": enum_name(payment_pb2.PaymentContext, value.context),
        "contextId": value.context_id,
        "sessionId": value.session_id or None,
        "stripePaymentIntentId": value.stripe_payment_intent_id or None,
        "paymentUrl": value.payment_url or None,
        "disputed": value.disputed,
        "declineReason": _decline_reason(value),
        "attemptsLeft": value.attempts_left if value.HasField("attempts_left") else None,
        "createdAt": format_time(value.created_at),
    }


def _decline_reason(value: payment_pb2.Payment) -> str | None:
    """A word of the schema; one that only a later payment service knows is `other`."""
    if value.decline_reason == payment_pb2.DECLINE_REASON_UNSPECIFIED:
        return None
    is_known = value.decline_reason in payment_pb2.DeclineReason.values()
    number = value.decline_reason if is_known else payment_pb2.DECLINE_REASON_OTHER
    return enum_name(payment_pb2.DeclineReason, number).lower()


def saga(reply: payment_pb2.GetSagaProgressResponse) -> Shape:
    return {"id": reply.saga_id, "state": reply.saga_state, "isComplete": reply.is_complete}


def payment_errors(reply: payment_pb2.BookSessionResponse | payment_pb2.EnrollInCourseResponse) -> list[Shape]:
    """The user errors of a purchase whose payment was refused. They stand beside it, again with each repeat."""
    refusal = payment_refusal(reply)
    if refusal is None:
        return []
    return [{"code": refusal.reason, "message": refusal.message, "field": None, "retryable": False}]


def cancellation_quote(
    reply: payment_pb2.QuoteCancellationResponse | payment_pb2.QuoteEnrollmentCancellationResponse,
) -> Shape:
    return {
        "refund": money(reply.refund),
        "percent": reply.percent,
        "rule": reply.rule,
        "token": reply.token,
        "expiresAt": format_time(reply.expires_at),
    }
