"""Payment providers in a body: `payment_engine`, a name in PAYMENT_ENGINES, and what a provider reports."""

from __future__ import annotations

import re

from bff.rest.fields import Fields
from bff.rest.json_schema import ENGINE
from mesh.errors import BadInput
from tutormesh.payment.v1 import payment_pb2


def read_engine(fields: Fields) -> tuple[payment_pb2.PaymentEngine.ValueType, str]:
    """What a request says in its fields `payment_engine` and `payment_engine_name`; nothing when the client named none.

    A payment service of the version before reads the number alone: to it, every provider but Stripe is CALLBACK.
    """
    name = fields.optional_text("payment_engine")
    if name is None:
        return payment_pb2.PAYMENT_ENGINE_UNSPECIFIED, ""
    if not re.fullmatch(ENGINE["pattern"], name):
        raise BadInput("there is no such engine", field=fields.name("payment_engine"))
    is_stripe = name == "stripe"
    return payment_pb2.PAYMENT_ENGINE_STRIPE if is_stripe else payment_pb2.PAYMENT_ENGINE_CALLBACK, name


def read_report(fields: Fields, sold_id: str) -> payment_pb2.HandlePaymentCallbackRequest:
    """What a provider says it did for a booking or an enrollment."""
    report = payment_pb2.HandlePaymentCallbackRequest(
        booking_id=sold_id,
        payment_reference=fields.text("payment_reference"),
        payment_status=_STATUSES[fields.choice("payment_status", _STATUSES)],
    )
    report.payment_engine, report.payment_engine_name = read_engine(fields)
    return report


_STATUSES = {
    "succeeded": payment_pb2.CALLBACK_STATUS_SUCCEEDED,
    "failed": payment_pb2.CALLBACK_STATUS_FAILED,
    "refunded": payment_pb2.CALLBACK_STATUS_REFUNDED,
}
