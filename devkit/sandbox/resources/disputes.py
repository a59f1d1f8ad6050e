"""Disputes: the payer's bank takes the money back. `/_sandbox/disputes` makes them, as Stripe has no call for it."""

from __future__ import annotations

from devkit.sandbox.resources import shapes
from devkit.sandbox.resources.calls import Call
from devkit.sandbox.wire.errors import ApiError, Json, missing


def create(call: Call) -> Json:
    """Dispute the whole charge of a paid intent."""
    intent_id = call.params.text("payment_intent")
    if intent_id is None:
        raise missing("payment_intent")
    intent = call.get("payment_intent", intent_id)
    if intent["status"] != "succeeded":
        raise ApiError("Only a payment that succeeded can be disputed.", param="payment_intent")
    charge = call.get("charge", intent["latest_charge"])
    if charge["disputed"]:
        raise ApiError("This charge is already disputed.", param="payment_intent")
    dispute = shapes.dispute(charge, call.now)
    charge["disputed"] = True
    call.store.put(dispute)
    call.store.put(charge)
    call.emit("charge.dispute.created", dispute)
    return dispute


def close(call: Call, id: str) -> Json:
    """Close a dispute by the bank's decision: won (the money stays) or lost."""
    status = call.params.choice("status", ("won", "lost"))
    if status is None:
        raise missing("status")
    dispute = call.get("dispute", id)
    if dispute["status"] in ("won", "lost"):
        raise ApiError(f"This dispute is already {dispute['status']}.", param="status")
    dispute.update(status=status, is_charge_refundable=status == "won")
    call.store.put(dispute)
    call.emit("charge.dispute.closed", dispute)
    return dispute
