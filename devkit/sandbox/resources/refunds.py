"""Refunds of card charges. They succeed at once, unless a fault or `/_sandbox/refunds` says otherwise.

A refund that has not failed reduces what can still be refunded. Source: Stripe, "Refunds".
"""

from __future__ import annotations

from devkit.sandbox.resources import money, shapes
from devkit.sandbox.resources.calls import Call
from devkit.sandbox.wire.errors import ApiError, Json, missing

KIND = "refund"
_REASONS = ("duplicate", "fraudulent", "requested_by_customer")
_STATUS_OF_FAULT = {"refund_pending": "pending", "refund_failed": "failed"}
# Legal changes of status. A bank can return a succeeded refund days later.
MOVES = {"pending": ("succeeded", "failed"), "succeeded": ("failed",), "failed": ()}


def create(call: Call) -> Json:
    """Refund the rest of a charge, or `amount` of it."""
    params = call.params
    params.allow(("payment_intent", "charge", "amount", "metadata", "reason"))
    wanted, metadata, reason = params.integer("amount"), params.metadata({}), params.choice("reason", _REASONS)
    charge = _charge(call)
    amount = _refundable(call, charge, wanted)
    status = _STATUS_OF_FAULT.get(call.fault or "", "succeeded")
    refund = shapes.refund(charge, amount, status, call.now, metadata=metadata, reason=reason)
    call.store.put(refund)
    call.emit("refund.created", refund)
    if status == "failed":
        _emit_failed(call, refund)
    else:
        call.emit("charge.refunded", _recount(call, charge))
    return refund


def update(call: Call, id: str) -> Json:
    """Change a refund's metadata; nothing else of it can be changed."""
    call.params.allow(("metadata",))
    refund = call.get(KIND, id)
    refund["metadata"] = call.params.metadata(refund["metadata"])
    call.store.put(refund)
    call.emit("refund.updated", refund)
    return refund


def settle(call: Call, id: str) -> Json:
    """Settle a refund by the bank's later answer. Stripe has no such call; `POST /_sandbox/refunds/{id}` is ours."""
    status = call.params.choice("status", ("succeeded", "failed"))
    if status is None:
        raise missing("status")
    refund = call.get(KIND, id)
    if status not in MOVES[refund["status"]]:
        raise ApiError(f"A {refund['status']} refund cannot become {status}.", param="status")
    refund = shapes.with_status(refund, status)
    call.store.put(refund)
    _recount(call, call.get("charge", refund["charge"]))
    if status == "failed":
        _emit_failed(call, refund)
    else:
        _emit_updated(call, refund)
    return refund


def _charge(call: Call) -> Json:
    intent_id, charge_id = call.params.text("payment_intent"), call.params.text("charge")
    if charge_id is not None:
        return call.get("charge", charge_id, "charge", 400)
    if intent_id is None:
        raise ApiError("One of the following params should be provided for this request: payment_intent or charge.")
    intent = call.get("payment_intent", intent_id, "payment_intent", 400)
    if intent["status"] != "succeeded":
        message = f"This PaymentIntent ({intent_id}) does not have a successful charge to refund."
        raise ApiError(message, param="payment_intent", executed=True)
    return call.get("charge", intent["latest_charge"])


def _refundable(call: Call, charge: Json, wanted: int | None) -> int:
    left = int(charge["amount_captured"]) - int(charge["amount_refunded"])
    if not charge["paid"]:
        raise _refusal(f"Charge {charge['id']} was not paid; it cannot be refunded.", "charge_not_refundable")
    if _charged_back(call, charge):
        raise _refusal(f"Charge {charge['id']} has been charged back; cannot issue a refund.", "charge_disputed")
    if left == 0:
        raise _refusal(f"Charge {charge['id']} has already been refunded.", "charge_already_refunded")
    if wanted is not None and wanted > left:
        message = f"Refund amount ({wanted}) is greater than unrefunded amount on charge ({left})"
        raise ApiError(message, param="amount", executed=True)
    money.check_step(wanted or left, str(charge["currency"]))
    return wanted or left


def _charged_back(call: Call, charge: Json) -> bool:
    disputes = call.store.select("kind = 'dispute' and charge = ?", (charge["id"],))
    return any(dispute["status"] != "won" for dispute in disputes)


def _recount(call: Call, charge: Json) -> Json:
    """Bring the charge's list of refunds and its sums up to date."""
    refunds = call.store.select("kind = 'refund' and charge = ?", (charge["id"],))
    returned = sum(refund["amount"] for refund in refunds if refund["status"] != "failed")
    charge["refunds"]["data"] = refunds
    charge.update(amount_refunded=returned, refunded=returned == charge["amount_captured"])
    call.store.put(charge)
    return charge


def _emit_failed(call: Call, refund: Json) -> None:
    _recount(call, call.get("charge", refund["charge"]))
    _emit_updated(call, refund)
    call.emit("refund.failed", refund)


def _emit_updated(call: Call, refund: Json) -> None:
    call.emit("charge.refund.updated", refund)
    call.emit("refund.updated", refund)


def _refusal(message: str, code: str) -> ApiError:
    return ApiError(message, code=code, executed=True)
