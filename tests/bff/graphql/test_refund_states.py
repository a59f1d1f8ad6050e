"""What a person sees of a refund: what is back, what is on its way, and how far it is."""

from __future__ import annotations

from typing import Any

import pytest

from tutormesh.common.v1.money_pb2 import Money
from tutormesh.payment.v1 import payment_pb2

QUERY = "{ getPaymentHistory { nodes { refunded { display } refundPending { display } refundState } } }"
STATES = [name.removeprefix("REFUND_STATE_") for name in payment_pb2.RefundState.DESCRIPTOR.values_by_name]


async def shown(student: Any, script: Any, payment: payment_pb2.Payment) -> Any:
    script.answers["ListPayments"] = payment_pb2.ListPaymentsResponse(payments=[payment])
    (only,) = (await student.data(QUERY))["getPaymentHistory"]["nodes"]
    return only


@pytest.mark.parametrize("state", STATES[1:])
async def test_each_state_of_a_refund_is_shown(student: Any, script: Any, lesson: Any, state: str) -> None:
    payment = lesson.payment(
        refunded=Money(amount_minor=2000, currency="USD"),
        refund_pending=Money(amount_minor=500, currency="USD"),
        refund_state=payment_pb2.RefundState.Value(f"REFUND_STATE_{state}"),
    )
    told = {"refunded": {"display": "$20.00"}, "refundPending": {"display": "$5.00"}, "refundState": state}
    assert await shown(student, script, payment) == told


async def test_a_payment_service_of_the_version_before_tells_of_none(student: Any, script: Any, lesson: Any) -> None:
    nothing = {"display": "$0.00"}
    told = {"refunded": nothing, "refundPending": nothing, "refundState": "NONE"}
    assert await shown(student, script, lesson.payment()) == told
