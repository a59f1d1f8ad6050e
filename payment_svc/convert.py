"""proto ↔ domain."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from mesh import calls, clock, wire
from mesh.errors import BadInput, Forbidden
from mesh.money import Money, exponent
from payment_svc.cancelling.quotes import Quote
from payment_svc.domain import CALLBACK, STRIPE, AskedPrice, CourseOrder, Event, Order, Payment, Refund, Saga, State
from payment_svc.domain.messages import DeliveryStatus, Message
from payment_svc.providers.port import Intent
from payment_svc.providers.port import ProviderRefund as StripeRefund
from payment_svc.settling.callbacks import Happened, Report
from payment_svc.settling.reconcile import Found, Place, Stage
from tutormesh.common.v1 import money_pb2, timeline_pb2
from tutormesh.payment.v1 import notification_pb2, saga_pb2
from tutormesh.payment.v1 import payment_pb2 as pb

_ENGINES = {
    pb.PAYMENT_ENGINE_UNSPECIFIED: "",
    pb.PAYMENT_ENGINE_STRIPE: STRIPE,
    pb.PAYMENT_ENGINE_CALLBACK: CALLBACK,
}
_REPORTED = {
    pb.CALLBACK_STATUS_SUCCEEDED: Happened.SUCCEEDED,
    pb.CALLBACK_STATUS_FAILED: Happened.FAILED,
    pb.CALLBACK_STATUS_REFUNDED: Happened.REFUNDED,
}
_DECIMAL = re.compile(r"\d{1,12}(\.\d{1,30})?", re.ASCII)


def order(request: pb.BookSessionRequest) -> Order:
    """Raises BadInput that names the field. A price is a service's to decide, and a person's to know."""
    start = wire.instant(request, "start_time")
    if start.second or start.microsecond:
        raise BadInput("must be on a whole minute", field="start_time")
    minutes = wire.whole(request.duration_minutes, "duration_minutes", 1, 1440)
    if start + timedelta(minutes=minutes) > wire.LATEST:
        raise BadInput("out of range", field="start_time")
    return Order(
        student_id=wire.uuid(request.student_id, "student_id"),
        tutor_id=wire.uuid(request.tutor_id, "tutor_id"),
        start=start,
        minutes=minutes,
        course_id=wire.optional_uuid(request.course_id, "course_id"),
        purpose=wire.text(request.purpose, "purpose", 1000),
        key=wire.text(request.idempotency_key, "idempotency_key", 255),
        price=_asked_price(request.price) if request.HasField("price") else None,
        payment_engine=_chosen_engine(request.payment_engine),
    )


def report(request: pb.HandlePaymentCallbackRequest) -> Report:
    """Raises BadInput that names the field."""
    if request.payment_status not in _REPORTED:
        raise BadInput("must be given", field="payment_status")
    return Report(
        booking_id=wire.uuid(request.booking_id, "booking_id"),
        reference=wire.text(request.payment_reference, "payment_reference", 255, least=1),
        happened=_REPORTED[request.payment_status],
        payment_engine=_engine(request.payment_engine),
    )


def _engine(number: pb.PaymentEngine.ValueType) -> str:
    if number not in _ENGINES:
        raise BadInput("there is no such engine", field="payment_engine")
    return _ENGINES[number]


def _chosen_engine(number: pb.PaymentEngine.ValueType) -> str:
    """Raises Forbidden for a person who chooses what only services may."""
    person, engine = calls.current().person, _engine(number)
    if engine == CALLBACK and person is not None and not person.is_service:
        raise Forbidden("only a service may choose this engine", field="payment_engine")
    return engine


def _asked_price(asked: pb.AskedPrice) -> AskedPrice:
    if asked.amount and not _DECIMAL.fullmatch(asked.amount):
        raise BadInput("must be a decimal number without a sign", field="price.amount")
    try:
        if asked.currency:
            exponent(asked.currency)
    except ValueError as error:
        raise BadInput(str(error), field="price.currency") from None
    try:
        if asked.currency and asked.amount:
            Money.exactly(Decimal(asked.amount), asked.currency)
    except ValueError as error:
        raise BadInput(str(error), field="price.amount") from None
    person = calls.current().person
    return AskedPrice(_plain(asked.amount), asked.currency, decides=person is None or person.is_service)


def _plain(amount: str) -> str:
    """The same number in one form, so that "50" and "50.00" are the same request."""
    whole, _, fraction = amount.partition(".")
    digits = fraction.rstrip("0")
    return f"{whole.lstrip('0') or '0'}{'.' if digits else ''}{digits}" if amount else ""


def course_order(request: pb.EnrollInCourseRequest) -> CourseOrder:
    """Raises BadInput that names the field."""
    return CourseOrder(
        student_id=wire.uuid(request.student_id, "student_id"),
        course_id=wire.uuid(request.course_id, "course_id"),
        key=wire.text(request.idempotency_key, "idempotency_key", 255),
    )


def book_session_response(saga: Saga) -> pb.BookSessionResponse:
    return pb.BookSessionResponse(booking_id=str(saga.booking_id), session_id=str(saga.session_id), **_to_be_paid(saga))


def enroll_in_course_response(saga: Saga) -> pb.EnrollInCourseResponse:
    return pb.EnrollInCourseResponse(enrollment_id=str(saga.booking_id), **_to_be_paid(saga))


def _to_be_paid(saga: Saga) -> dict[str, Any]:
    """How a purchase is paid. The client secret is for the student and for services, while the payment can be made."""
    is_payable = saga.state is State.AWAITING_PAYMENT
    may_pay = calls.current().speaks_for(saga.student_id)
    is_free = saga.price is not None and saga.price.amount_minor == 0
    return {
        "saga_id": str(saga.id),
        "payment_id": "" if is_free else str(saga.payment_id),
        "payment_intent_id": saga.payment_intent_id or "",
        "client_secret": saga.context.get("client_secret", "") if is_payable and may_pay else "",
        "hold_expires_at": _as_the_holder_told_it(saga) if is_payable else None,
        "saga_state": saga.state.value,
    }


def _as_the_holder_told_it(saga: Saga) -> Timestamp | None:
    """The hold's end as booking and enrollment show it; the saga itself counts by its own database's clock."""
    return clock.to_proto(datetime.fromisoformat(saga.context["hold_expires_at"]))


def quote_response(quote: Quote, currency: str, token: str) -> pb.QuoteCancellationResponse:
    return pb.QuoteCancellationResponse(
        refund=money_pb2.Money(amount_minor=quote.minor, currency=currency),
        percent=quote.percent,
        rule=quote.rule,
        token=token,
        expires_at=clock.to_proto(quote.expires_at),
    )


def payment(value: Payment) -> pb.Payment:
    return pb.Payment(
        id=str(value.id),
        amount=wire.to_money(value.amount),
        refunded=money_pb2.Money(amount_minor=value.refunded_minor, currency=value.amount.currency),
        status=pb.PaymentStatus.Value(f"PAYMENT_STATUS_{value.status.value}"),
        context=pb.PaymentContext.Value(f"PAYMENT_CONTEXT_{value.context}"),
        context_id=str(value.context_id),
        session_id=_id(value.session_id),
        stripe_payment_intent_id=value.intent_id,
        disputed=value.disputed,
        created_at=clock.to_proto(value.created_at),
        student_id=str(value.student_id),
        saga_id=str(value.saga_id),
        refunds=[refund(item) for item in value.refunds],
        booking_id="" if value.session_id is None else str(value.booking_id),
        received_minor=value.received_minor,
        enrollment_id=str(value.booking_id) if value.session_id is None else "",
    )


def refund(value: Refund) -> pb.Refund:
    return pb.Refund(
        id=str(value.id),
        provider_refund_id=value.provider_refund_id or "",
        payment_intent_id=value.payment_intent_id,
        amount=wire.to_money(value.amount),
        status=pb.RefundStatus.Value(f"REFUND_STATUS_{value.status.value}"),
        reason=value.reason,
    )


def timeline(event: Event) -> timeline_pb2.TimelineEntry:
    return timeline_pb2.TimelineEntry(
        at=clock.to_proto(event.at), service="payment", event=event.event, detail=event.detail
    )


def timelines(found: Sequence[tuple[UUID, Sequence[Event]]]) -> pb.BatchGetBookingTimelinesResponse:
    told = [
        timeline_pb2.BookingTimeline(booking_id=str(booking_id), entries=map(timeline, events))
        for booking_id, events in found
    ]
    return pb.BatchGetBookingTimelinesResponse(timelines=told)


def saga(value: Saga) -> saga_pb2.Saga:
    error = value.error or {}
    return saga_pb2.Saga(
        id=str(value.id),
        kind=value.kind,
        version=value.version,
        state=value.state.value,
        is_complete=value.is_complete,
        student_id=str(value.student_id),
        tutor_id=_id(value.tutor_id),
        booking_id="" if value.course_id else str(value.booking_id),
        session_id=_id(value.session_id),
        payment_id=str(value.payment_id),
        payment_intent_id=value.payment_intent_id or "",
        start_time=clock.to_proto(value.time_slot),
        duration_minutes=value.minutes or 0,
        price=wire.to_money(value.price) if value.price else None,
        attempt=value.attempt,
        error=f"{error.get('reason', '')}: {error.get('message', '')}" if error else "",
        wake_at=clock.to_proto(value.wake_at),
        created_at=clock.to_proto(value.created_at),
        updated_at=clock.to_proto(value.updated_at),
        fence=value.fence,
        refund_due=wire.to_money(value.refund_due) if value.refund_due and not value.was_closed_unpaid else None,
        cancels_saga_id=value.context.get("purchase_id", ""),
        resolved=value.was_resolved,
        enrollment_id=str(value.booking_id) if value.course_id else "",
        course_id=_id(value.course_id),
    )


def _id(value: UUID | None) -> str:
    return "" if value is None else str(value)


def to_place(token: str) -> Place:
    """Where a page of reconcile's round begins. Raises BadInput."""
    stage, _, after = token.partition(":")
    if not token:
        return Place()
    if stage not in list(Stage):
        raise BadInput("is no place in a round", field="page_token")
    return Place(Stage(stage), wire.optional_uuid(after, "page_token"))


def found(value: Found, further: Place | None) -> saga_pb2.ReconcileResponse:
    return saga_pb2.ReconcileResponse(
        examined=value.examined,
        moved=value.moved,
        woken=value.woken,
        strays=value.strays,
        next_page_token=f"{further.stage}:{further.after or ''}" if further else "",
    )


def provider_intent(value: Intent, refunds: list[StripeRefund]) -> saga_pb2.ProviderIntent:
    return saga_pb2.ProviderIntent(
        id=value.id,
        status=value.status,
        amount=money_pb2.Money(amount_minor=value.amount, currency=value.currency),
        received_minor=value.received,
        saga_id=str(value.saga_id or ""),
        payment_id=str(value.payment_id or ""),
        refunds=[
            saga_pb2.ProviderRefund(id=item.id, amount_minor=item.amount, status=item.status, refund_id=item.refund_id)
            for item in refunds
        ],
    )


def delivery_status(value: notification_pb2.NotificationStatus.ValueType) -> DeliveryStatus | None:
    """None for any. Raises BadInput."""
    if value == notification_pb2.NOTIFICATION_STATUS_UNSPECIFIED:
        return None
    if value not in notification_pb2.NotificationStatus.values():
        raise BadInput("no such status", field="status")
    return DeliveryStatus(notification_pb2.NotificationStatus.Name(value).removeprefix("NOTIFICATION_STATUS_"))


def place(token: str) -> int | None:
    """The seq below which a page of notifications begins; None for the first. Raises BadInput."""
    if not token:
        return None
    if not (token.isascii() and token.isdigit() and len(token) < 19):
        raise BadInput("not a token of this list", field="page_token")
    return int(token)


def notification(value: Message) -> notification_pb2.Notification:
    return notification_pb2.Notification(
        id=str(value.id),
        channel=value.lane.channel,
        audience=value.lane.audience.value,
        type=value.type,
        subject_id=str(value.subject_id),
        status=notification_pb2.NotificationStatus.Value(f"NOTIFICATION_STATUS_{value.status.value}"),
        attempt=value.attempt,
        error=value.error,
        wake_at=clock.to_proto(value.wake_at),
        created_at=clock.to_proto(value.created_at),
    )
