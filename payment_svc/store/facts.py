"""A saga's facts as JSON, in the column saga.context: the one place that knows the stored keys.

A field is stored under its own name, or under the name in STORED_NAMES. A field that has its default is left out. A
missing key means the default, so rows that earlier versions wrote are read too. Replicas of the version before read
what this one writes, so no key may change its name or its meaning.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

from mesh import clock
from payment_svc.domain import KINDS, STRIPE, Facts, PurchaseFacts, Resolution, Saga, SagaError, State

#: The stored keys of fields that had another name when the first rows were written.
STORED_NAMES = {
    "provider": "payment_engine",
    "hold_was_over": "hold_is_over",
    "is_recorded": "booked",
    "declined_charges": "failed_charges",
    "refusal": "refused",
    "has_ended": "ended",
    "was_closed_unpaid": "unpaid",
    "dispute_id": "dispute",
}
_FACTS_OF_KIND = {kind.name: kind.facts for kind in KINDS}

#: In SQL, of a row of saga: the state in which a parked saga goes on.
PARKED_FROM = "context ->> 'parked_from'"
#: The intent of a case about a refund.
REFUND_CASE_INTENT = "context ->> 'intent_id'"
#: The purchase that a cancel takes back, or that a case about a refund is of; null in a purchase.
PURCHASE_ID = "cast(context ->> 'purchase_id' as uuid)"
#: The context of a saga that a person closes, when its intent has received `:received` minor units.
RESOLVED_CONTEXT = """(context || jsonb_build_object(
    'resolved', true, 'resolved_received', cast(:received as bigint))) - 'client_secret'"""
#: The declined attempts to pay, why the latest was declined, and who takes the money.
DECLINED = "jsonb_array_length(coalesce(context -> 'failed_charges', cast('[]' as jsonb)))"
DECLINE_REASON, PROVIDER = "context ->> 'decline_reason'", f"coalesce(context ->> 'payment_engine', '{STRIPE}')"
#: The end of a purchase's hold as its student was shown it, while it can be paid; else null.
PAYABLE_UNTIL = """case when state = 'AWAITING_PAYMENT' and hold_ends > clock_timestamp()
    then context ->> 'hold_expires_at' end"""


def _of_sale(key: str) -> str:
    """In SQL, a text that the purchase knows, from the row `s` of the purchase or of a saga that is about it."""
    return f"""coalesce(s.context ->> '{key}', (select sale.context ->> '{key}' from saga sale
            where sale.id = cast(s.context ->> 'purchase_id' as uuid)))"""  # noqa: S608 - constants


#: What every message says about the purchase in saga row `s`, in the names of the API.
MESSAGE_DATA = f"""jsonb_strip_nulls(jsonb_build_object(
        'bookingId', case when s.course_id is null then s.booking_id end,
        'enrollmentId', case when s.course_id is not null then s.booking_id end,
        'sessionId', s.session_id,
        'courseId', coalesce(cast(s.course_id as text), s.context ->> 'course_id'),
        'studentId', s.student_id,
        'tutorId', s.tutor_id,
        'tutorName', {_of_sale("tutor_name")},
        'tutorTimezone', {_of_sale("tutor_timezone")},
        'courseTitle', {_of_sale("course_title")},
        'purpose', {_of_sale("purpose")},
        'startTime', to_char(s.time_slot at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'durationMinutes', s.minutes,
        'timezone', {_of_sale("timezone")},
        'locale', {_of_sale("locale")},
        'wasConfirmed', case when cast(:message_type as text) = 'booking.cancelled' then s.context ? 'purchase_id' end,
        'price', case when s.context ? 'price' then
            jsonb_build_object('amountMinor', s.context #> '{{price,amount_minor}}',
                               'currency', s.context #> '{{price,currency}}') end,
        'meetingLink', case when cast(:message_type as text) = 'booking.confirmed' then s.context ->> 'meeting_link' end,
        'reason', case when s.state = 'REJECTED' then s.error ->> 'reason' end,
        'cancelledBy', s.context #> '{{cancel,by}}',
        'refundDue', case when cast(s.context #>> '{{cancel,refund_minor}}' as bigint) > 0 then
            jsonb_build_object('amountMinor', s.context #> '{{cancel,refund_minor}}',
                               'currency', s.context #> '{{price,currency}}') end))"""


def encode_context(saga: Saga) -> str:
    """The JSON of a saga's facts, with where it was parked and how a person closed it."""
    context = _write(saga.facts)
    if saga.parked_from is not None:
        context["parked_from"] = saga.parked_from.value
    if saga.resolution is not None:
        context |= {"resolved": True, "resolved_received": saga.resolution.received_minor}
    return json.dumps(context)


def encode_facts(facts: Facts, parked_from: State | None = None) -> str:
    """The JSON of the facts with which a saga begins. One that begins parked goes on in `parked_from`."""
    return json.dumps(_write(facts) | ({"parked_from": parked_from.value} if parked_from else {}))


def decode_facts(kind: str, context: dict[str, Any]) -> Facts:
    """The facts of a saga of this kind. A kind that only a newer version knows is read as PurchaseFacts."""
    facts: Any = _FACTS_OF_KIND.get(kind, PurchaseFacts)
    stored = ((field, context.get(field.key)) for field in _fields_of(facts))
    decoded: Facts = facts(**{field.name: field.read(value) for field, value in stored if value is not None})
    return decoded


def decode_parked_from(context: dict[str, Any]) -> State | None:
    return State(context["parked_from"]) if context.get("parked_from") else None


def decode_resolution(context: dict[str, Any]) -> Resolution | None:
    return Resolution(context.get("resolved_received")) if context.get("resolved") else None


def encode_error(error: SagaError | None) -> str | None:
    """The JSON of the column saga.error."""
    return json.dumps(asdict(error)) if error else None


def decode_error(error: dict[str, Any] | None) -> SagaError | None:
    return SagaError(**error) if error is not None else None


def _write(facts: Facts) -> dict[str, Any]:
    values = ((field, getattr(facts, field.name)) for field in _fields_of(type(facts)))  # type: ignore[arg-type]
    return {field.key: field.write(value) for field, value in values if value != field.default}


@dataclass(frozen=True, slots=True)
class _Field:
    """How one field is stored."""

    name: str
    key: str
    default: Any
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


@cache
def _fields_of(facts: Any) -> tuple[_Field, ...]:
    types = get_type_hints(facts)
    return tuple(
        _Field(field.name, STORED_NAMES.get(field.name, field.name), field.default, *_converters(types[field.name]))
        for field in fields(facts)
    )


def _converters(declared: Any) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """How a value of this type is written as JSON, and read back."""
    if isinstance(declared, UnionType):  # an optional value
        declared = next(kind for kind in get_args(declared) if kind is not type(None))
    if get_origin(declared) is tuple:
        return list, tuple
    if declared is datetime:
        return clock.iso, datetime.fromisoformat
    if declared is UUID:
        return str, UUID
    if issubclass(declared, StrEnum):
        return str, declared
    if is_dataclass(declared):
        return asdict, lambda value: declared(**value)  # type: ignore[operator]
    return _unchanged, _unchanged


def _unchanged(value: Any) -> Any:
    return value
