"""The objects as Stripe shows them: every field it always sends, null where it is not used here.

Source: Stripe's published OpenAPI fixtures and API reference, version 2026-10-28.endive.
"""

from __future__ import annotations

import secrets
import string
from typing import Any

from .cards import Card
from .errors import Json, doc_url

API_VERSION = "2026-10-28.endive"
_ALPHABET = string.ascii_letters + string.digits


def new_id(prefix: str, length: int = 24) -> str:
    """An id as Stripe makes them: `pi_` and 24 letters and digits."""
    return f"{prefix}_{''.join(secrets.choice(_ALPHABET) for _ in range(length))}"


def _nulls(names: str) -> Json:
    return dict.fromkeys(names.split())


def payment_intent(amount: int, currency: str, created: int, **fields: Any) -> Json:
    """A PaymentIntent that waits for a payment method; amount in minor units."""
    identifier = new_id("pi")
    return {
        **_nulls("""application application_fee_amount automatic_payment_methods canceled_at cancellation_reason
            customer customer_account description excluded_payment_method_types last_payment_error latest_charge next_action
            on_behalf_of payment_method payment_method_configuration_details processing receipt_email review
            setup_future_usage shipping source statement_descriptor statement_descriptor_suffix transfer_data
            transfer_group"""),
        "id": identifier,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "capture_method": "automatic",
        "client_secret": f"{identifier}_{new_id('secret', 25)}",
        "confirmation_method": "automatic",
        "created": created,
        "currency": currency,
        "livemode": False,
        "managed_payments": {"enabled": False},
        "metadata": {},
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "status": "requires_payment_method",
        **fields,
    }


def payment_method(card: Card, created: int) -> Json:
    """The payment method that a use of a test card makes."""
    return {
        "id": new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": _billing(),
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


def charge(intent: Json, method: str, card: Card, created: int, *, authenticated: bool = False) -> Json:
    """A charge on the intent: paid, or failed when the card is one that is declined."""
    identifier, paid, amount = new_id("ch"), not card.code, intent["amount"]
    return {
        **_nulls("""application application_fee application_fee_amount customer failure_balance_transaction on_behalf_of
            receipt_email receipt_number review shipping source source_transfer statement_descriptor
            statement_descriptor_suffix transfer_data transfer_group"""),
        "id": identifier,
        "object": "charge",
        "amount": amount,
        "amount_captured": amount if paid else 0,
        "amount_refunded": 0,
        "balance_transaction": new_id("txn") if paid else None,
        "billing_details": _billing(),
        "calculated_statement_descriptor": "TUTORMESH",
        "captured": paid,
        "created": created,
        "currency": intent["currency"],
        "description": intent["description"],
        "disputed": False,
        "failure_code": card.code or None,
        "failure_message": card.message or None,
        "fraud_details": {},
        "livemode": False,
        "metadata": intent["metadata"],
        "outcome": _outcome(card),
        "paid": paid,
        "payment_intent": intent["id"],
        "payment_method": method,
        "payment_method_details": {"card": _card_details(card, amount, authenticated), "type": "card"},
        "receipt_url": f"https://pay.stripe.com/receipts/{identifier}" if paid else None,
        "refunded": False,
        "refunds": {"data": [], "has_more": False, "object": "list", "url": f"/v1/charges/{identifier}/refunds"},
        "status": "succeeded" if paid else "failed",
    }


def refund(charged: Json, amount: int, status: str, created: int, **fields: Any) -> Json:
    """A refund of a part of the charge (minor units): succeeded, pending or failed."""
    body = {
        **_nulls("customer customer_account receipt_number source_transfer_reversal transfer_reversal"),
        "id": new_id("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": new_id("txn"),
        "charge": charged["id"],
        "created": created,
        "currency": charged["currency"],
        "destination_details": {"card": {"type": "refund", "reference_status": "pending"}, "type": "card"},
        "metadata": {},
        "payment_intent": charged["payment_intent"],
        "payment_method": charged["payment_method"],
        "reason": None,
        **fields,
    }
    return refund_became(body, status)


def refund_became(body: Json, status: str) -> Json:
    """The refund in another status; a failed one says why, a pending one what it waits for."""
    kept = {name: body[name] for name in body if name not in ("pending_reason", "status")}
    if status == "pending":
        return {**kept, "pending_reason": "processing", "status": status}
    if status == "failed":
        failure = {"failure_balance_transaction": new_id("txn"), "failure_reason": "declined"}
        return {**kept, **failure, "status": status}
    return {**kept, "status": status}


def dispute(charged: Json, created: int) -> Json:
    """A dispute of the whole charge that waits for the merchant's answer."""
    return {
        "id": new_id("dp"),
        "object": "dispute",
        "amount": charged["amount"],
        "balance_transactions": [],
        "charge": charged["id"],
        "created": created,
        "currency": charged["currency"],
        "enhanced_eligibility_types": [],
        "evidence": _nulls("""access_activity_log billing_address cancellation_policy cancellation_policy_disclosure
            cancellation_rebuttal customer_communication customer_email_address customer_name customer_purchase_ip
            customer_signature duplicate_charge_documentation duplicate_charge_explanation duplicate_charge_id
            product_description receipt refund_policy refund_policy_disclosure refund_refusal_explanation service_date
            service_documentation shipping_address shipping_carrier shipping_date shipping_documentation
            shipping_tracking_number uncategorized_file uncategorized_text""")
        | {"enhanced_evidence": {}},
        "evidence_details": {
            "due_by": created + 7 * 86400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": charged["payment_intent"],
        "payment_method_details": {
            "card": {"brand": "visa", "case_type": "chargeback", "network": "visa", "network_reason_code": "10.4"},
            "type": "card",
        },
        "reason": "fraudulent",
        "status": "needs_response",
    }


def event(kind: str, subject: Json, created: int, request_id: str | None, key: str | None, pending: int) -> Json:
    """What happened, with the object as it was then."""
    return {
        "id": new_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": created,
        "data": {"object": subject},
        "livemode": False,
        "pending_webhooks": pending,
        "request": {"id": request_id, "idempotency_key": key},
        "type": kind,
    }


def card_error(card: Card, charge_id: str, method: Json) -> Json:
    """Why a card was declined: an intent's `last_payment_error`, and the error of the answer."""
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


def _billing() -> Json:
    return {**_nulls("email name phone tax_id"), "address": _nulls("city country line1 line2 postal_code state")}


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


def _card_details(card: Card, amount: int, authenticated: bool) -> Json:
    secure = {"authentication_flow": "challenge", "result": "authenticated", "version": "2.2.0"}
    return {
        **_card(card),
        **_nulls("installments mandate network_transaction_id transaction_link_id"),
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


def _outcome(card: Card) -> Json:
    declined = {
        "network_status": "declined_by_network",
        "reason": card.decline_code or card.code,
        "seller_message": "The bank did not return any further details with this decline.",
        "type": "issuer_declined",
    }
    approved = {"network_status": "approved_by_network", "reason": None, "type": "authorized"}
    approved["seller_message"] = "Payment complete."
    codes = _nulls("advice_code network_advice_code network_decline_code")
    return {**codes, "risk_level": "normal", "risk_score": 10, **(declined if card.code else approved)}
