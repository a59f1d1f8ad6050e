"""Payments, refunds and timelines → messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from mesh import calls, clock, cursors, wire
from payment_svc.domain import Event, Payment, PaymentStatus, Refund, Saga
from payment_svc.links.addresses import Links
from tutormesh.common.v1 import money_pb2, timeline_pb2
from tutormesh.payment.v1 import payment_pb2 as pb


def decode_ids(values: Sequence[str]) -> tuple[list[UUID], list[str]]:
    """Our ids among these, and those of the providers. Raises BadInput."""
    named = wire.words(values, "ids", 255)
    ours = [value for value in named if _is_uuid(value)]
    return [UUID(value) for value in ours], [value for value in named if value not in ours]


def _is_uuid(value: str) -> bool:
    try:
        return str(UUID(value)) == value
    except ValueError:
        return False


def encode_payment(value: Payment, max_attempts: int, links: Links) -> pb.Payment:
    """The payment for the caller. Its tutor does not see how the student fared with the card."""
    reason, may_see = value.decline_reason, calls.current().speaks_for(value.student_id)
    return pb.Payment(
        id=str(value.id),
        amount=wire.to_money(value.amount),
        refunded=money_pb2.Money(amount_minor=value.refunded_minor, currency=value.amount.currency),
        refund_pending=money_pb2.Money(amount_minor=value.pending_minor, currency=value.amount.currency),
        refund_state=pb.RefundState.Value(f"REFUND_STATE_{value.refund_state.value}"),
        status=pb.PaymentStatus.Value(f"PAYMENT_STATUS_{value.status.value}"),
        context=pb.PaymentContext.Value(f"PAYMENT_CONTEXT_{value.context}"),
        context_id=str(value.context_id),
        session_id=_id(value.session_id),
        stripe_payment_intent_id=value.intent_id if may_see else "",
        disputed=value.disputed,
        created_at=clock.to_proto(value.created_at),
        student_id=str(value.student_id),
        saga_id=str(value.saga_id),
        refunds=[encode_refund(item) for item in value.refunds],
        booking_id="" if value.session_id is None else str(value.sold_id),
        received_minor=value.received_minor,
        enrollment_id=str(value.sold_id) if value.session_id is None else "",
        payment_session_id=(value.provider_session_id or value.intent_id) if may_see else "",
        payment_url=_payment_url(value),
        decline_reason=pb.DeclineReason.Value(
            f"DECLINE_REASON_{reason.value if reason and may_see else 'UNSPECIFIED'}"
        ),
        attempts_left=value.attempts_left(max_attempts) if may_see else None,
        checkout_url=_checkout_url(value, links),
    )


def encode_live_payment(saga: Saga, payment: Payment) -> pb.CreatePaymentIntentResponse:
    return pb.CreatePaymentIntentResponse(
        payment_intent_id=saga.payment_intent_id or "",
        client_secret=saga.purchase_facts.client_secret,
        payment_session_id=payment.provider_session_id or payment.intent_id,
        payment_url=_payment_url(payment),
    )


def _payment_url(value: Payment) -> str:
    """Where it is paid, while it can be, for who pays. As with a client secret, nobody else gets it."""
    may_pay = calls.current().speaks_for(value.student_id)
    return value.payment_url if may_pay and value.status is PaymentStatus.PENDING else ""


def _checkout_url(value: Payment, links: Links) -> str:
    """Our page to pay on, by the same rule. The hold has not ended yet."""
    if value.payable_until is None or not calls.current().speaks_for(value.student_id):
        return ""
    return links.checkout_url_of(value.sold_id, value.payable_until)


def encode_payments_page(
    found: Sequence[Payment], size: int, encode: Callable[[Payment], pb.Payment]
) -> dict[str, Any]:
    """The fields of a page of payments. `found` has one more when there is a next page."""
    page = cursors.cut(found, size, lambda payment: cursors.encode(payment.created_at, payment.id))
    payments = [encode(payment) for payment in page.rows]
    return {"payments": payments, "next_page_token": page.next_page_token, "cursors": page.cursors}


def encode_refund(value: Refund) -> pb.Refund:
    return pb.Refund(
        id=str(value.id),
        provider_refund_id=value.provider_refund_id or "",
        payment_intent_id=value.payment_intent_id,
        amount=wire.to_money(value.amount),
        status=pb.RefundStatus.Value(f"REFUND_STATUS_{value.status.value}"),
        reason=value.reason,
    )


def encode_event(event: Event) -> timeline_pb2.TimelineEntry:
    return timeline_pb2.TimelineEntry(
        at=clock.to_proto(event.at), service="payment", event=event.event, detail=event.detail
    )


def encode_timelines(found: Sequence[tuple[UUID, Sequence[Event]]]) -> pb.BatchGetBookingTimelinesResponse:
    timelines = [
        timeline_pb2.BookingTimeline(booking_id=str(sold_id), entries=map(encode_event, events))
        for sold_id, events in found
    ]
    return pb.BatchGetBookingTimelinesResponse(timelines=timelines)


def _id(value: UUID | None) -> str:
    return "" if value is None else str(value)
