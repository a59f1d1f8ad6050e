"""Pay an intent: confirm it, authenticate the payer, charge the card."""

from __future__ import annotations

from devkit.sandbox.resources import card_shapes, cards, shapes
from devkit.sandbox.resources.calls import Call, find_reachable_intent, unexpected_state, visible_fields
from devkit.sandbox.wire.errors import ApiError, Json, no_such
from devkit.sandbox.wire.ids import new_id

# Stripe.js sends more parameters than the sandbox uses; the others are accepted without effect.
_CONFIRM = """payment_method payment_method_types payment_method_options return_url receipt_email shipping mandate_data
    use_stripe_sdk radar_options""".split()
_CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")


def confirm(call: Call, id: str) -> Json:
    """Try to take the money. A declined card raises ApiError 402, after its failed charge is stored."""
    call.params.allow(_CONFIRM)
    intent = find_reachable_intent(call, id)
    name = call.params.text("payment_method")
    chosen = method(call, name)["id"] if name else None
    if intent["status"] not in _CONFIRMABLE:
        raise unexpected_state(call, intent, _not_confirmable(intent))
    if chosen is not None:
        intent["payment_method"] = chosen
    return confirm_intent(call, intent)


def confirm_intent(call: Call, intent: Json) -> Json:
    """Confirm an intent with its payment method."""
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
    return visible_fields(
        call, _require_authentication(call, intent) if chosen.authenticate else _pay(call, intent, chosen)
    )


def authenticate(call: Call, id: str) -> Json:
    """Do what the bank's page does after the payer's answer. It needs no key, because a bank has none."""
    call.params.allow(("outcome",))
    outcome = call.params.choice("outcome", ("succeeded", "failed")) or "succeeded"
    intent = call.get("payment_intent", id)
    if intent["status"] != "requires_action":
        raise unexpected_state(call, intent, f"This PaymentIntent has a status of {intent['status']}, not an action.")
    used = call.get("payment_method", intent["payment_method"])
    if outcome == "failed":
        return visible_fields(call, _fail_authentication(call, intent, used))
    return visible_fields(call, _pay(call, intent, cards.with_last4(used["card"]["last4"]), authenticated=True))


def method(call: Call, name: str) -> Json:
    """Return the payment method with this id, or make one for the name of a test card."""
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
    _reset_to_start(call, intent, reason)
    extra = {name: reason[name] for name in reason if name not in ("code", "message", "doc_url", "type")}
    return ApiError(
        declined.message,
        status=402,
        type="card_error",
        code=declined.code,
        executed=True,
        payment_intent=visible_fields(call, intent),
        **extra,
    )


def _require_authentication(call: Call, intent: Json) -> Json:
    sdk = {"source": new_id("src"), "type": "three_d_secure_redirect"}
    intent.update(status="requires_action", next_action={"type": "use_stripe_sdk", "use_stripe_sdk": sdk})
    intent["last_payment_error"] = None
    call.store.put(intent)
    call.emit("payment_intent.requires_action", intent)
    return intent


def _fail_authentication(call: Call, intent: Json, used: Json) -> Json:
    reason = {
        "code": "payment_intent_authentication_failure",
        "message": "The provided PaymentMethod has failed authentication.",
        "payment_method": used,
        "type": "card_error",
    }
    return _reset_to_start(call, intent, reason)


def _reset_to_start(call: Call, intent: Json, reason: Json) -> Json:
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
