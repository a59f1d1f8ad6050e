"""Cards as Stripe shows them: in a payment method, in a charge, and in the error of a decline."""

from __future__ import annotations

from devkit.sandbox.resources.cards import Card
from devkit.sandbox.wire.errors import Json, doc_url
from devkit.sandbox.wire.ids import new_id, nulls


def payment_method(card: Card, created: int) -> Json:
    """A new payment method for a test card."""
    return {
        "id": new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": billing(),
        "card": {
            **_card(card),
            "display_brand": card.brand,
            "generated_from": None,
            "networks": {"available": [card.brand], "preferred": None},
            "three_d_secure_usage": {"supported": True},
        },
        "created": created,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": "card",
    }


def card_error(card: Card, charge_id: str, method: Json) -> Json:
    """The error of a declined card: the intent's `last_payment_error`, and the body of the answer."""
    error = {
        "charge": charge_id,
        "code": card.code,
        "decline_code": card.decline_code,
        "doc_url": doc_url(card.code),
        "message": card.message,
        "payment_method": method,
        "type": "card_error",
    }
    return {name: value for name, value in error.items() if value is not None}


def billing() -> Json:
    """Empty billing details."""
    return {**nulls("email name phone tax_id"), "address": nulls("city country line1 line2 postal_code state")}


def _card(card: Card) -> Json:
    return {
        "brand": card.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US",
        "exp_month": 8,
        "exp_year": 2034,
        "fingerprint": f"sandbox{card.last4}",
        "funding": "credit",
        "last4": card.last4,
        "regulated_status": "unregulated",
        "wallet": None,
    }


def card_details(card: Card, amount: int, authenticated: bool) -> Json:
    """The card in a charge's `payment_method_details`."""
    secure = {
        **nulls("electronic_commerce_indicator exemption_indicator result_reason transaction_id"),
        "authentication_flow": "challenge",
        "result": "authenticated",
        "version": "2.2.0",
    }
    return {
        **_card(card),
        **nulls("installments mandate network_transaction_id transaction_link_id"),
        "amount_authorized": None if card.code else amount,
        "authorization_code": None if card.code else "123456",
        "extended_authorization": {"status": "disabled"},
        "incremental_authorization": {"status": "unavailable"},
        "multicapture": {"status": "unavailable"},
        "network": card.brand,
        "network_token": {"used": False},
        "overcapture": {"maximum_amount_capturable": amount, "status": "unavailable"},
        "three_d_secure": secure if authenticated else None,
    }


def outcome(card: Card) -> Json:
    """The card network's answer to a charge."""
    declined = {
        "network_status": "declined_by_network",
        "reason": card.decline_code or card.code,
        "seller_message": "The bank did not return any further details with this decline.",
        "type": "issuer_declined",
    }
    approved = {"network_status": "approved_by_network", "reason": None, "type": "authorized"}
    approved["seller_message"] = "Payment complete."
    codes = nulls("advice_code network_advice_code network_decline_code")
    return {**codes, "risk_level": "normal", "risk_score": 10, **(declined if card.code else approved)}
