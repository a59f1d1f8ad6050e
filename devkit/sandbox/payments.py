"""Paying an intent: confirmation, the bank's question, the charge."""

from __future__ import annotations

from . import card_shapes, cards, shapes
from .calls import Call, reached, seen_by, unexpected_state
from .errors import ApiError, Json, no_such
from .ids import new_id

# Stripe.js sends more than the sandbox plays; what changes nothing here is taken.
_CONFIRM = """payment_method payment_method_types payment_method_options return_url receipt_email shipping mandate_data
    use_stripe_sdk radar_options""".split()
_CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")


def confirm(call: Call, id: str) -> Json:
    """Tries to take the money. A declined card raises ApiError 402 after the failed charge is recorded."""
    call.params.allow(_CONFIRM)
    intent = reached(call, id)
    name = call.params.text("payment_method")
    chosen = method(call, name)["id"] if name else None
    if intent["status"] not in _CONFIRMABLE:
        raise unexpected_state(call, intent, _not_confirmable(intent))
    if chosen is not None:
        intent["payment_method"] = chosen
    return confirm_intent(call, intent)


def confirm_intent(call: Call, intent: Json) -> Json:
    """Confirms with the payment method the intent has."""
    if intent["payment_method"] is None:
        message = (
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the "
            "PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a "
            "payment method or ConfirmationToken."
        )
        raise unexpected_state(call, intent, message)
    used = call.get("payment_method", intent["payment_method"])
    chosen = cards.with_last4(used["card"]["last4"])
    if chosen.code:
        raise _decline(call, intent, used, chosen)
    return seen_by(call, _ask_the_bank(call, intent) if chosen.authenticate else _pay(call, intent, chosen))


def authenticate(call: Call, id: str) -> Json:
    """What the bank's own page does after the student's answer; needs no key, as a bank has none."""
    call.params.allow(("outcome",))
    outcome = call.params.choice("outcome", ("succeeded", "failed")) or "succeeded"
    intent = call.get("payment_intent", id)
    if intent["status"] != "requires_action":
        raise unexpected_state(call, intent, f"This PaymentIntent has a status of {intent['status']}, not an action.")
    used = call.get("payment_method", intent["payment_method"])
    if outcome == "failed":
        return seen_by(call, _unauthenticated(call, intent, used))
    return seen_by(call, _pay(call, intent, cards.with_last4(used["card"]["last4"]), authenticated=True))


def method(call: Call, name: str) -> Json:
    """The payment method of this id, or the new one that a use of a test card's name makes."""
    if name in cards.CARDS:
        made = card_shapes.payment_method(cards.CARDS[name], call.now)
        call.store.put(made)
        return made
    found = call.store.find("payment_method", name)
    if found is None:
        raise no_such("PaymentMethod", name, "payment_method", 400)
    return found


def _pay(call: Call, intent: Json, paying: cards.Card, *, authenticated: bool = False) -> Json:
    charge = shapes.charge(intent, intent["payment_method"], paying, call.now, authenticated=authenticated)
    call.store.put(charge)
    intent.update(status="succeeded", amount_received=intent["amount"], latest_charge=charge["id"])
    intent.update(last_payment_error=None, next_action=None)
    call.store.put(intent)
    call.emit("charge.succeeded", charge)
    call.emit("payment_intent.succeeded", intent)
    return intent


def _decline(call: Call, intent: Json, used: Json, declined: cards.Card) -> ApiError:
    charge = shapes.charge(intent, used["id"], declined, call.now)
    call.store.put(charge)
    reason = card_shapes.card_error(declined, charge["id"], used)
    intent["latest_charge"] = charge["id"]
    call.emit("charge.failed", charge)
    _back_to_start(call, intent, reason)
    extra = {name: reason[name] for name in reason if name not in ("code", "message", "doc_url", "type")}
    return ApiError(
        declined.message,
        status=402,
        type="card_error",
        code=declined.code,
        executed=True,
        payment_intent=seen_by(call, intent),
        **extra,
    )


def _ask_the_bank(call: Call, intent: Json) -> Json:
    sdk = {"source": new_id("src"), "type": "three_d_secure_redirect"}
    intent.update(status="requires_action", next_action={"type": "use_stripe_sdk", "use_stripe_sdk": sdk})
    intent["last_payment_error"] = None
    call.store.put(intent)
    call.emit("payment_intent.requires_action", intent)
    return intent


def _unauthenticated(call: Call, intent: Json, used: Json) -> Json:
    reason = {
        "code": "payment_intent_authentication_failure",
        "message": "The provided PaymentMethod has failed authentication.",
        "payment_method": used,
        "type": "card_error",
    }
    return _back_to_start(call, intent, reason)


def _back_to_start(call: Call, intent: Json, reason: Json) -> Json:
    intent.update(status="requires_payment_method", payment_method=None, next_action=None, last_payment_error=reason)
    call.store.put(intent)
    call.emit("payment_intent.payment_failed", intent)
    return intent


def _not_confirmable(intent: Json) -> str:
    if intent["status"] == "succeeded":
        return (
            "You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed."
        )
    return (
        f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}. Only a PaymentIntent "
        "with one of the following statuses may be confirmed: requires_confirmation, requires_action."
    )
