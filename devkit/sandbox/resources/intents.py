"""PaymentIntents: create, retrieve, update, cancel.

A PaymentIntent goes from requires_payment_method over requires_confirmation and requires_action to succeeded. Before
that it can become canceled. Source: Stripe, "The Payment Intents API lifecycle".
"""

from __future__ import annotations

from devkit.sandbox.resources import money, payments, shapes
from devkit.sandbox.resources.calls import Call, find_reachable_intent, unexpected_state, visible_fields
from devkit.sandbox.wire.errors import ApiError, Json

KIND = "payment_intent"
# Parameters that are stored and shown, and parameters that are accepted without effect.
_SHOWN = ("description", "receipt_email", "statement_descriptor", "statement_descriptor_suffix", "transfer_group")
_INERT = ("automatic_payment_methods", "payment_method_options", "shipping", "confirmation_method")
_EDITABLE = ("amount", "currency", "metadata", "payment_method", "payment_method_types", *_SHOWN, *_INERT)
_CREATABLE = (*_EDITABLE, "capture_method", "confirm", "return_url")
_REASONS = ("duplicate", "fraudulent", "requested_by_customer", "abandoned")
_CHANGEABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
_CANCELABLE = "requires_payment_method, requires_capture, requires_confirmation, requires_action, processing"


def create(call: Call) -> Json:
    """Create an intent, and confirm it at once when `confirm` is true."""
    params = call.params
    params.allow(_CREATABLE)
    amount, currency = params.required_integer("amount"), money.currency(params)
    money.check_charge(amount, currency)
    params.choice("capture_method", ("automatic", "automatic_async"))  # the sandbox does not support "manual"
    confirm = params.flag("confirm")
    intent = shapes.payment_intent(amount, currency, call.now, metadata=params.metadata({}), **_shown(call))
    intent.update(_payment_methods(call))
    intent.update(_payment_method(call))
    call.store.put(intent)
    call.emit("payment_intent.created", intent)
    return payments.confirm_intent(call, intent) if confirm else intent


def retrieve(call: Call, id: str) -> Json:
    """Return an intent; the publishable key needs its client secret."""
    return visible_fields(call, find_reachable_intent(call, id))


def update(call: Call, id: str) -> Json:
    """Change an intent. Amount, currency and payment method can change only before the payment succeeds."""
    params, intent = call.params, call.get(KIND, id)
    params.allow(_EDITABLE)
    changes: Json = {"metadata": params.metadata(intent["metadata"]), **_shown(call)}
    amount = params.integer("amount")
    currency = money.currency(params) if params.text("currency") else intent["currency"]
    money.check_charge(amount or intent["amount"], currency)
    method = _payment_method(call)
    if (amount or method or currency != intent["currency"]) and intent["status"] not in _CHANGEABLE:
        raise unexpected_state(call, intent, _frozen(intent))
    intent.update(changes, amount=amount or intent["amount"], currency=currency, **method)
    call.store.put(intent)
    return intent


def cancel(call: Call, id: str) -> Json:
    """Cancel an unpaid intent; nobody can pay it afterwards."""
    call.params.allow(("cancellation_reason",))
    reason, intent = call.params.choice("cancellation_reason", _REASONS), call.get(KIND, id)
    if intent["status"] not in _CANCELABLE.split(", "):
        message = (
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a PaymentIntent "
            f"with one of the following statuses may be canceled: {_CANCELABLE}."
        )
        raise unexpected_state(call, intent, message)
    intent.update(status="canceled", canceled_at=call.now, cancellation_reason=reason, next_action=None)
    call.store.put(intent)
    call.emit("payment_intent.canceled", intent)
    return intent


def _payment_method(call: Call) -> Json:
    name = call.params.text("payment_method")
    return {"payment_method": payments.method(call, name)["id"], "status": "requires_confirmation"} if name else {}


def _shown(call: Call) -> Json:
    return {name: call.params.text(name) for name in _SHOWN if name in call.params.raw}


def _payment_methods(call: Call) -> Json:
    types = call.params.strings("payment_method_types")
    if not types:
        return {"automatic_payment_methods": {"allow_redirects": "always", "enabled": True}}
    for name in types:
        if name != "card":
            message = f"The payment method type provided: {name[:50]} is invalid."
            raise ApiError(message, code="payment_intent_invalid_parameter", param="payment_method_types")
    return {"payment_method_types": types}


def _frozen(intent: Json) -> str:
    return (
        f"This PaymentIntent could not be updated because it has a status of {intent['status']}. You may only update "
        f"it in one of the following statuses: {', '.join(_CHANGEABLE)}."
    )
