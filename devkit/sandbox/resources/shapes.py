"""The objects as Stripe shows them: every field that it always sends, null where the sandbox does not use it.

Source: Stripe's published OpenAPI fixtures and API reference, version 2026-10-28.endive.
"""

from __future__ import annotations

from typing import Any

from devkit.sandbox.resources import card_shapes
from devkit.sandbox.resources.cards import Card
from devkit.sandbox.wire.errors import Json
from devkit.sandbox.wire.ids import new_id, nulls

API_VERSION = "2026-10-28.endive"


def payment_intent(amount: int, currency: str, created: int, **fields: Any) -> Json:
    """A new PaymentIntent that waits for a payment method. `amount` is in minor units."""
    identifier = new_id("pi")
    return {
        **nulls("""application application_fee_amount automatic_payment_methods canceled_at cancellation_reason
            customer customer_account description excluded_payment_method_types last_payment_error latest_charge
            next_action on_behalf_of payment_method payment_method_configuration_details processing receipt_email review
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


def charge(intent: Json, method: str, card: Card, created: int, *, authenticated: bool = False) -> Json:
    """A new charge of the intent: paid, or failed when the card is declined."""
    identifier, paid, amount = new_id("ch"), not card.code, intent["amount"]
    return {
        **nulls("""application application_fee application_fee_amount customer failure_balance_transaction on_behalf_of
            receipt_email receipt_number review shipping source source_transfer statement_descriptor
            statement_descriptor_suffix transfer_data transfer_group"""),
        "id": identifier,
        "object": "charge",
        "amount": amount,
        "amount_captured": amount if paid else 0,
        "amount_refunded": 0,
        "balance_transaction": new_id("txn") if paid else None,
        "billing_details": card_shapes.billing(),
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
        "outcome": card_shapes.outcome(card),
        "paid": paid,
        "payment_intent": intent["id"],
        "payment_method": method,
        "payment_method_details": {"card": card_shapes.card_details(card, amount, authenticated), "type": "card"},
        "receipt_url": f"https://pay.stripe.com/receipts/{identifier}" if paid else None,
        "refunded": False,
        "refunds": {"data": [], "has_more": False, "object": "list", "url": f"/v1/charges/{identifier}/refunds"},
        "status": "succeeded" if paid else "failed",
    }


def refund(charged: Json, amount: int, status: str, created: int, **fields: Any) -> Json:
    """A new refund of a part of the charge (minor units): succeeded, pending or failed."""
    body = {
        **nulls("customer customer_account receipt_number source_transfer_reversal transfer_reversal"),
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
    return with_status(body, status)


def with_status(body: Json, status: str) -> Json:
    """The refund with another status. A failed one has a reason, a pending one names what it waits for."""
    kept = {name: body[name] for name in body if name not in ("pending_reason", "status")}
    if status == "pending":
        return {**kept, "pending_reason": "processing", "status": status}
    if status == "failed":
        failure = {"failure_balance_transaction": new_id("txn"), "failure_reason": "declined"}
        return {**kept, **failure, "status": status}
    return {**kept, "status": status}


def dispute(charged: Json, created: int) -> Json:
    """A new dispute of the whole charge, which waits for the merchant's answer."""
    return {
        "id": new_id("dp"),
        "object": "dispute",
        "amount": charged["amount"],
        "balance_transactions": [],
        "charge": charged["id"],
        "created": created,
        "currency": charged["currency"],
        "enhanced_eligibility_types": [],
        "evidence": nulls("""access_activity_log billing_address cancellation_policy cancellation_policy_disclosure
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
    """A new event: what happened, and the object as it was then."""
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
