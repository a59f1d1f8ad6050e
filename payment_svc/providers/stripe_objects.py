"""Stripe's objects as JSON → ours. They are untrusted input: each value is checked before anybody believes it.

A value that is missing, of another type, or out of the range of our schema makes its object unreadable. A message names
the field, never its value: it is stored and logged, and a value may be secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID

from mesh.money import Money
from payment_svc.domain import DeclineReason, Dispute, Intent, ProviderEvent, ProviderRefund
from payment_svc.providers.port import EventIgnored, Unreadable
from payment_svc.providers.stripe_amounts import from_wire

T = TypeVar("T")
#: An id, a status, a type or a secret: what our schema stores and an index can hold (Stripe: ids have up to 255 characters).
_WORD = re.compile(r"[!-~]{1,255}", re.ASCII)
_REASONS = {
    code: reason
    for reason, codes in {
        DeclineReason.CARD_DECLINED: "card_declined",
        DeclineReason.INSUFFICIENT_FUNDS: "insufficient_funds",
        DeclineReason.AUTHENTICATION_REQUIRED: (
            "authentication_required authentication_not_handled payment_intent_authentication_failure"
        ),
        DeclineReason.EXPIRED_CARD: "expired_card",
        DeclineReason.INCORRECT_DETAILS: (
            "incorrect_number incorrect_cvc incorrect_zip incorrect_address incorrect_pin"
            " invalid_number invalid_cvc invalid_expiry_month invalid_expiry_year"
        ),
        DeclineReason.PROCESSING_ERROR: "processing_error issuer_not_available reenter_transaction try_again_later",
    }.items()
    for code in codes.split()
}
INTENT, INTENT_PREFIX = "payment_intent", "pi_"


def read_intent(item: Any) -> Intent:
    """A PaymentIntent. Raises Unreadable."""
    return _read("payment_intent", item, _intent)


def read_refund(item: Any, intent_id: str) -> ProviderRefund:
    """A refund of this intent. Raises Unreadable."""
    return _read("refund", item, lambda fields: _refund(fields, intent_id))


def read_dispute(item: Any) -> Dispute:
    """Raises Unreadable."""
    return _read("dispute", item, lambda fields: Dispute(_word(fields, "id"), _word(fields, "status")))


def read_charge(item: Any) -> tuple[str, bool]:
    """A charge's id, and whether it failed. Raises Unreadable."""
    return _read("charge", item, lambda fields: (_word(fields, "id"), _word(fields, "status") == "failed"))


def read_intent_of_charge(item: Any) -> str:
    """The id of a charge's intent; empty for a charge without one. Raises Unreadable."""
    return _read("charge", item, lambda fields: _optional_word(fields, INTENT))


def read_list(page: Any) -> tuple[list[Any], bool]:
    """The items of a page, unread, and whether there are more pages. Raises Unreadable."""
    return _read("list", page, _items)


def read_saga_id(item: Any) -> UUID | None:
    """The saga that an object names, also when the rest of it is unreadable."""
    metadata = item.get("metadata") if isinstance(item, dict) else None
    return _uuid(metadata.get("sagaId")) if isinstance(metadata, dict) else None


def read_event(event: Any) -> ProviderEvent:
    """An event about an intent. When its object is unreadable, `unreadable` says why. Raises EventIgnored.

    Only a snapshot event of the API v1 carries its object (Stripe: event destinations). A thin event of the API v2 does
    not, and tells nothing here.
    """
    try:
        kind = _read("event", event, lambda fields: _word(fields, "type"))
        named = {"type": kind, "event_id": _read("event", event, lambda fields: _word(fields, "id"))}
    except Unreadable as error:
        raise EventIgnored("unreadable", error=error.message, type="other") from error
    data = event.get("data")
    item = data.get("object") if isinstance(data, dict) else None
    if not isinstance(item, dict):
        raise EventIgnored("not_a_snapshot", **named)
    about = item.get("id") if item.get("object") == INTENT else item.get(INTENT)
    if about is None:
        raise EventIgnored("no_intent", **named)
    try:
        intent_id = _intent_id(about, INTENT)
    except _Wrong as error:
        raise EventIgnored("unreadable", error=str(error), **named) from error
    read = _event(named["event_id"], kind, event.get("livemode") is True, intent_id, item)
    created = event.get("created")
    return replace(read, created=created) if isinstance(created, int) and 0 < created < 2**40 else read


class _Wrong(Exception):
    """A field has a value that cannot be used."""


def _read(kind: str, item: Any, read: Callable[[dict[str, Any]], T]) -> T:
    if not isinstance(item, dict):
        raise Unreadable(f"the {kind} is no JSON object")
    try:
        return read(item)
    except _Wrong as error:
        raise Unreadable(f"the {kind}'s {error}") from error


def _event(event_id: str, kind: str, livemode: bool, intent_id: str, item: dict[str, Any]) -> ProviderEvent:
    intent, unreadable, status, about = None, "", "", ""
    try:
        about = _read("object", item, lambda fields: _word(fields, "object"))
        status = _read(about, item, lambda fields: _optional_word(fields, "status"))
        intent = read_intent(item) if about == INTENT else None
    except Unreadable as error:
        unreadable = error.message
    return ProviderEvent(
        id=event_id,
        type=kind,
        livemode=livemode,
        intent_id=intent_id,
        saga_id=read_saga_id(item),
        object=about,
        status=status,
        intent=intent,
        unreadable=unreadable,
    )


def _intent(fields: dict[str, Any]) -> Intent:
    status, amount = _word(fields, "status"), _money(fields, "amount")
    succeeded = status == "succeeded"
    missing_is_zero = {"amount_received": 0} if not succeeded and fields.get("amount_received") is None else {}
    received = _money(fields | missing_is_zero, "amount_received")
    if succeeded and not received.amount_minor:
        raise _Wrong("amount_received is 0, and it succeeded")
    metadata = _object(fields, "metadata")
    return Intent(
        id=_intent_id(fields.get("id"), "id"),
        status=status,
        client_secret=_optional_word(fields, "client_secret"),
        amount=amount.amount_minor,
        currency=amount.currency,
        received=received.amount_minor,
        saga_id=_uuid(metadata.get("sagaId")),
        payment_id=_uuid(metadata.get("paymentId")),
        failed_charge=_failed_charge(fields),
        decline_reason=_decline_reason(_object(fields, "last_payment_error")),
        has_refunds=_has_refunds(fields.get("latest_charge")),
    )


def _has_refunds(charge: Any) -> bool | None:
    """Whether money of a charge was to go back; None when the answer does not have its refunds."""
    refunds = charge.get("refunds") if isinstance(charge, dict) else None
    items = refunds.get("data") if isinstance(refunds, dict) else None
    return bool(items) if isinstance(items, list) else None


def _failed_charge(fields: dict[str, Any]) -> str | None:
    charge = _object(fields, "last_payment_error").get("charge")
    return None if charge is None else _id_of(charge, "last_payment_error.charge")


def _decline_reason(error: dict[str, Any]) -> DeclineReason | None:
    """A safe word for `last_payment_error`: for its `decline_code`, else for its `code`. None without an error.

    Stripe's message is for its own pages, and some of its codes must not be told to the person (Stripe: decline codes).
    """
    if not error:
        return None
    known = (_REASONS.get(code) for name in ("decline_code", "code") if isinstance(code := error.get(name), str))
    return next((reason for reason in known if reason is not None), DeclineReason.OTHER)


def _refund(fields: dict[str, Any], intent_id: str) -> ProviderRefund:
    amount, refund_id = _money(fields, "amount"), _object(fields, "metadata").get("refundId")
    if not amount.amount_minor:
        raise _Wrong("amount is 0")
    if fields.get(INTENT) is not None and _id_of(fields[INTENT], INTENT) != intent_id:
        raise _Wrong("payment_intent is another one")
    return ProviderRefund(
        id=_word(fields, "id"),
        status=_optional_word(fields, "status") or "pending",
        amount=amount.amount_minor,
        currency=amount.currency,
        refund_id=refund_id if isinstance(refund_id, str) and _WORD.fullmatch(refund_id) else "",
    )


def _items(fields: dict[str, Any]) -> tuple[list[Any], bool]:
    items, has_more = fields.get("data"), fields.get("has_more")
    if not isinstance(items, list):
        raise _Wrong("data is no list")
    if not isinstance(has_more, bool):
        raise _Wrong("has_more is no boolean")
    return items, has_more


def _word(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None:
        raise _Wrong(f"{name} is missing")
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise _Wrong(f"{name} is no word")
    return value


def _optional_word(fields: dict[str, Any], name: str) -> str:
    return "" if fields.get(name) is None else _word(fields, name)


def _id_of(value: Any, name: str) -> str:
    """An id, or that of an object in its place (Stripe: expanding responses)."""
    return _word({name: value.get("id") if isinstance(value, dict) else value}, name)


def _intent_id(value: Any, name: str) -> str:
    """The id of an intent of Stripe's: an id of another form may be another provider's."""
    found = _id_of(value, name)
    if not found.startswith(INTENT_PREFIX):
        raise _Wrong(f"{name} is no intent's id")
    return found


def _object(fields: dict[str, Any], name: str) -> dict[str, Any]:
    """An object; an empty one when it is null or missing."""
    value = fields.get(name)
    if value is not None and not isinstance(value, dict):
        raise _Wrong(f"{name} is no JSON object")
    return value or {}


def _money(fields: dict[str, Any], name: str) -> Money:
    amount = fields.get(name)
    if amount is None:
        raise _Wrong(f"{name} is missing")
    if type(amount) is not int:
        raise _Wrong(f"{name} is no whole number")
    try:
        currency = _word(fields, "currency").upper()
        return Money(from_wire(amount, currency), currency)
    except ValueError as error:
        raise _Wrong(f"{name} or currency is out of range") from error


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
