"""A saga's facts as JSON, in the column saga.context: the one place that knows the stored keys.

A row that an earlier version wrote is read as well: a missing key means the default of its field. Replicas of the
version before read what this one writes, so no key may change its name or its meaning.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from mesh import clock
from mesh.money import Money
from payment_svc.domain import (
    BOOK,
    CANCEL_OF,
    DISPUTE_CASE,
    ENROLL,
    STRIPE,
    AskedPrice,
    CancelDecision,
    CancelFacts,
    CaseFacts,
    EnrollmentFacts,
    Facts,
    LessonFacts,
    PurchaseFacts,
    Resolution,
    Saga,
    SagaError,
    State,
    Undo,
)

#: In SQL, of a row of saga: the state in which a parked saga goes on.
PARKED_FROM = "context ->> 'parked_from'"
#: The purchase that a cancel takes back; null in a purchase.
PURCHASE_ID = "cast(context ->> 'purchase_id' as uuid)"
#: The context of a saga that a person closes, when its intent has received `:received` minor units.
RESOLVED_CONTEXT = """(context || jsonb_build_object(
    'resolved', true, 'resolved_received', cast(:received as bigint))) - 'client_secret'"""
#: What every message says about the purchase in saga row `s`, in the names of the API.
MESSAGE_DATA = """jsonb_strip_nulls(jsonb_build_object(
        'bookingId', case when s.course_id is null then s.booking_id end,
        'enrollmentId', case when s.course_id is not null then s.booking_id end,
        'sessionId', s.session_id,
        'courseId', coalesce(cast(s.course_id as text), s.context ->> 'course_id'),
        'studentId', s.student_id,
        'tutorId', s.tutor_id,
        'startTime', to_char(s.time_slot at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'durationMinutes', s.minutes,
        'price', jsonb_build_object('amountMinor', s.context #> '{price,amount_minor}',
                                    'currency', s.context #> '{price,currency}'),
        'cancelledBy', s.context #> '{cancel,by}',
        'refundDue', case when cast(s.context #>> '{cancel,refund_minor}' as bigint) > 0 then
            jsonb_build_object('amountMinor', s.context #> '{cancel,refund_minor}',
                               'currency', s.context #> '{price,currency}') end))"""


def encode_context(saga: Saga) -> str:
    """The JSON of a saga's facts, with where it was parked and how a person closed it."""
    resolution = saga.resolution
    return json.dumps(
        _write_facts(saga.facts)
        | _present(
            parked_from=saga.parked_from and saga.parked_from.value,
            resolved=resolution is not None,
            resolved_received=resolution and resolution.received_minor,
        )
    )


def encode_facts(facts: Facts) -> str:
    """The JSON of the facts with which a saga begins."""
    return json.dumps(_write_facts(facts))


def decode_facts(kind: str, context: dict[str, Any]) -> Facts:
    """The facts of a saga of this kind. Of a kind that only a newer version knows: what every purchase has."""
    return _READERS.get(kind, _read_unknown)(context)


def decode_parked_from(context: dict[str, Any]) -> State | None:
    return State(context["parked_from"]) if context.get("parked_from") else None


def decode_resolution(context: dict[str, Any]) -> Resolution | None:
    return Resolution(context.get("resolved_received")) if context.get("resolved") else None


def encode_error(error: SagaError | None) -> str | None:
    """The JSON of the column saga.error."""
    return json.dumps(_write_error(error)) if error else None


def decode_error(error: dict[str, Any] | None) -> SagaError | None:
    if error is None:
        return None
    code, reason = error.get("code", "UNAVAILABLE"), error.get("reason", "")
    return SagaError(code, reason, error.get("message", ""), error.get("field", ""))


def _present(**values: Any) -> dict[str, Any]:
    """Those of the values that say something."""
    return {name: value for name, value in values.items() if value not in (None, False, "", ())}


def _write_facts(facts: Facts) -> dict[str, Any]:
    match facts:
        case CancelFacts():
            return _write_cancel(facts)
        case CaseFacts():
            return {"dispute": facts.dispute_id}
        case LessonFacts():
            course = str(facts.course_id) if facts.course_id else None
            lesson = {"course_id": course, "purpose": facts.purpose} | _present(block_id=facts.block_id)
            return _write_purchase(facts) | lesson
    return _write_purchase(facts)


def _write_purchase(facts: PurchaseFacts) -> dict[str, Any]:
    return {"policy": facts.policy} | _present(
        payment_engine=facts.provider if facts.provider != STRIPE else None,
        asked_price=facts.asked_price and _write_asked_price(facts.asked_price),
        price=facts.price and _write_money(facts.price),
        hold_expires_at=facts.hold_expires_at and clock.iso(facts.hold_expires_at),
        hold_is_over=facts.hold_was_over,
        booked=facts.is_recorded,
        client_secret=facts.client_secret,
        failed_charges=facts.declined_charges,
        undo=facts.undo and facts.undo.value,
        ends_as=facts.ends_as and facts.ends_as.value,
        refused=facts.refusal and _write_error(facts.refusal),
        cancel=facts.cancel and _write_decision(facts.cancel),
        ended=facts.has_ended,
        unpaid=facts.was_closed_unpaid,
    )


def _write_cancel(facts: CancelFacts) -> dict[str, Any]:
    return {
        "purchase_id": str(facts.purchase_id),
        "cancel": _write_decision(facts.cancel),
        "price": _write_money(facts.price),
        "undo": Undo.CANCELLED.value,
        "intent_id": facts.intent_id or None,
        "received_minor": facts.received_minor,
    } | _present(ended=facts.has_ended)


def _write_money(money: Money) -> dict[str, Any]:
    return {"amount_minor": money.amount_minor, "currency": money.currency}


def _write_asked_price(asked: AskedPrice) -> dict[str, Any]:
    return {"amount": asked.amount, "currency": asked.currency, "decides": asked.decides}


def _write_decision(decision: CancelDecision) -> dict[str, Any]:
    return {
        "by": decision.by,
        "percent": decision.percent,
        "rule": decision.rule,
        "refund_minor": decision.refund_minor,
    }


def _write_error(error: SagaError) -> dict[str, Any]:
    return {"code": error.code, "reason": error.reason, "message": error.message, "field": error.field}


def _read_purchase(context: dict[str, Any]) -> dict[str, Any]:
    price, asked, cancel = context.get("price"), context.get("asked_price"), context.get("cancel")
    hold_expires_at, undo, ends_as = context.get("hold_expires_at"), context.get("undo"), context.get("ends_as")
    return {
        "policy": context.get("policy", ""),
        "provider": context.get("payment_engine", STRIPE),
        "asked_price": AskedPrice(**asked) if asked else None,
        "price": Money(**price) if price else None,
        "hold_expires_at": datetime.fromisoformat(hold_expires_at) if hold_expires_at else None,
        "hold_was_over": bool(context.get("hold_is_over")),
        "is_recorded": bool(context.get("booked")),
        "client_secret": context.get("client_secret", ""),
        "declined_charges": tuple(context.get("failed_charges", ())),
        "undo": Undo(undo) if undo else None,
        "ends_as": State(ends_as) if ends_as else None,
        "refusal": decode_error(context.get("refused")),
        "cancel": CancelDecision(**cancel) if cancel else None,
        "has_ended": bool(context.get("ended")),
        "was_closed_unpaid": bool(context.get("unpaid")),
    }


def _read_lesson(context: dict[str, Any]) -> LessonFacts:
    course_id = context.get("course_id")
    return LessonFacts(
        **_read_purchase(context),
        course_id=UUID(course_id) if course_id else None,
        purpose=context.get("purpose", ""),
        block_id=context.get("block_id", ""),
    )


def _read_enrollment(context: dict[str, Any]) -> EnrollmentFacts:
    return EnrollmentFacts(**_read_purchase(context))


def _read_cancel(context: dict[str, Any]) -> CancelFacts:
    return CancelFacts(
        purchase_id=UUID(context["purchase_id"]),
        cancel=CancelDecision(**context["cancel"]),
        price=Money(**context["price"]),
        intent_id=context.get("intent_id") or "",
        received_minor=context.get("received_minor", 0),
        has_ended=bool(context.get("ended")),
    )


def _read_unknown(context: dict[str, Any]) -> PurchaseFacts:
    return PurchaseFacts(**_read_purchase(context))


def _read_case(context: dict[str, Any]) -> CaseFacts:
    return CaseFacts(context["dispute"])


#: How the facts of each kind are read.
_READERS: dict[str, Callable[[dict[str, Any]], Facts]] = {
    BOOK: _read_lesson,
    ENROLL: _read_enrollment,
    CANCEL_OF[BOOK]: _read_cancel,
    CANCEL_OF[ENROLL]: _read_cancel,
    DISPUTE_CASE: _read_case,
}
