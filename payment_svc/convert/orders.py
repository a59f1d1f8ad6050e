"""Requests of people → orders and reports. Raises BadInput that names the field."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from mesh import calls, clock, locales, wire
from mesh.currencies import read_code
from mesh.errors import BadInput
from mesh.money import Money
from payment_svc.cancelling.quotes import Quote
from payment_svc.domain import AskedPrice, CourseOrder, LessonOrder, ReturnPages, Saga, State, StudentRegion
from payment_svc.links.addresses import Links
from payment_svc.settling.callbacks import Outcome, Report
from tutormesh.common.v1 import money_pb2
from tutormesh.payment.v1 import payment_pb2 as pb

_OUTCOMES = {
    pb.CALLBACK_STATUS_SUCCEEDED: Outcome.SUCCEEDED,
    pb.CALLBACK_STATUS_FAILED: Outcome.FAILED,
    pb.CALLBACK_STATUS_REFUNDED: Outcome.REFUNDED,
}
_DECIMAL = re.compile(r"\d{1,12}(\.\d{1,30})?", re.ASCII)


def decode_lesson_order(request: pb.BookSessionRequest) -> LessonOrder:
    """A price that a service names is the price. A price that a person names, or was shown, must be the tutor's."""
    if request.HasField("price") and request.HasField("expected_price"):
        raise BadInput("must not be given together with price", field="expected_price")
    start = wire.instant(request, "start_time")
    if start.second or start.microsecond:
        raise BadInput("must be on a whole minute", field="start_time")
    minutes = wire.whole(request.duration_minutes, "duration_minutes", 1, 1440)
    if start + timedelta(minutes=minutes) > wire.LATEST:
        raise BadInput("out of range", field="start_time")
    return LessonOrder(
        student_id=wire.uuid(request.student_id, "student_id"),
        tutor_id=wire.uuid(request.tutor_id, "tutor_id"),
        start=start,
        minutes=minutes,
        course_id=wire.optional_uuid(request.course_id, "course_id"),
        purpose=wire.text(request.purpose, "purpose", 1000),
        key=wire.text(request.idempotency_key, "idempotency_key", 255),
        price=_decode_asked_price(request.price) if request.HasField("price") else _decode_shown_price(request),
        provider=_decode_provider(request.payment_engine, request.payment_engine_name),
        region=_decode_region(request),
        pages=_decode_pages(request),
    )


def decode_report(request: pb.HandlePaymentCallbackRequest) -> Report:
    if request.payment_status not in _OUTCOMES:
        raise BadInput("must be given", field="payment_status")
    return Report(
        booking_id=wire.uuid(request.booking_id, "booking_id"),
        reference=wire.text(request.payment_reference, "payment_reference", 255, least=1),
        outcome=_OUTCOMES[request.payment_status],
        provider=_decode_provider(request.payment_engine, request.payment_engine_name),
    )


def _decode_provider(number: pb.PaymentEngine.ValueType, name: str) -> str:
    """The provider's name in PAYMENT_ENGINES; empty when none was named. Callers from before send a number alone."""
    if name:
        return wire.text(name, "payment_engine", 31)
    if number not in pb.PaymentEngine.values():
        raise BadInput("there is no such engine", field="payment_engine")
    named = pb.PaymentEngine.Name(number).removeprefix("PAYMENT_ENGINE_").lower()
    return "" if number == pb.PAYMENT_ENGINE_UNSPECIFIED else named


def _decode_asked_price(asked: pb.AskedPrice) -> AskedPrice:
    if asked.amount and not _DECIMAL.fullmatch(asked.amount):
        raise BadInput("must be a decimal number without a sign", field="price.amount")
    try:
        currency = read_code(asked.currency) if asked.currency else ""
    except ValueError as error:
        raise BadInput(str(error), field="price.currency") from None
    person = calls.current().person
    decides = person is None or person.is_service
    if currency and asked.amount:
        _must_be_a_price(asked.amount, currency, decides)
    return AskedPrice(_normalize(asked.amount), currency, decides)


def _must_be_a_price(amount: str, currency: str, decides: bool) -> None:
    """Raises BadInput when no price can be this. A service decides the price: it must be one that can be charged."""
    try:
        named = Money.exactly(Decimal(amount), currency)
    except ValueError as error:
        raise BadInput(str(error), field="price.amount") from None
    if decides and not named.is_payable:
        raise BadInput(named.payable_amounts, field="price.amount")


def _decode_shown_price(request: pb.BookSessionRequest | pb.EnrollInCourseRequest) -> AskedPrice | None:
    if not request.HasField("expected_price"):
        return None
    shown = AskedPrice.shown(wire.money(request, "expected_price"))
    return replace(shown, amount=_normalize(shown.amount))


def _normalize(amount: str) -> str:
    """The same number in one form, so that "50" and "50.00" are the same request."""
    whole, _, fraction = amount.partition(".")
    digits = fraction.rstrip("0")
    return f"{whole.lstrip('0') or '0'}{'.' if digits else ''}{digits}" if amount else ""


def decode_course_order(request: pb.EnrollInCourseRequest) -> CourseOrder:
    return CourseOrder(
        student_id=wire.uuid(request.student_id, "student_id"),
        course_id=wire.uuid(request.course_id, "course_id"),
        key=wire.text(request.idempotency_key, "idempotency_key", 255),
        price=_decode_shown_price(request),
        provider=wire.text(request.payment_engine_name, "payment_engine", 31),
        region=_decode_region(request),
        pages=_decode_pages(request),
    )


def _decode_pages(request: pb.BookSessionRequest | pb.EnrollInCourseRequest) -> ReturnPages:
    """As they were sent: the use case checks them."""
    return ReturnPages(request.return_url, request.cancel_url)


def _decode_region(request: pb.BookSessionRequest | pb.EnrollInCourseRequest) -> StudentRegion:
    return StudentRegion(locales.timezone(request.timezone, "timezone"), locales.locale(request.locale, "locale"))


def encode_booked(saga: Saga, links: Links) -> pb.BookSessionResponse:
    recorded: Any = saga.recorded if saga.state is State.AWAITING_PAYMENT else None
    return pb.BookSessionResponse(
        booking_id=str(saga.sold_id),
        session_id=str(saga.session_id),
        booking=recorded,
        **_encode_payable(saga, links),
    )


def encode_enrolled(saga: Saga, links: Links) -> pb.EnrollInCourseResponse:
    return pb.EnrollInCourseResponse(enrollment_id=str(saga.sold_id), **_encode_payable(saga, links))


def _encode_payable(saga: Saga, links: Links) -> dict[str, Any]:
    """How a purchase is paid. Only its student and services get what pays for it, while the payment can be made."""
    is_payable = saga.state is State.AWAITING_PAYMENT
    may_pay = calls.current().speaks_for(saga.student_id)
    facts = saga.purchase_facts
    return {
        "saga_id": str(saga.id),
        "payment_id": "" if saga.is_free else str(saga.payment_id),
        "payment_intent_id": saga.payment_intent_id or "",
        "client_secret": facts.client_secret if is_payable and may_pay else "",
        "hold_expires_at": clock.to_proto(facts.hold_expires_at) if is_payable else None,
        "saga_state": saga.state.value,
        "checkout_url": links.checkout_url(saga) if may_pay else "",
    }


def encode_quote(quote: Quote, currency: str, token: str) -> dict[str, Any]:
    """The fields of a quote's response, of a booking or of an enrollment."""
    return {
        "refund": money_pb2.Money(amount_minor=quote.minor, currency=currency),
        "percent": quote.percent,
        "rule": quote.rule,
        "token": token,
        "expires_at": clock.to_proto(quote.expires_at),
    }
