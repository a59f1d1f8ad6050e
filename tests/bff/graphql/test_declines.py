"""What a person sees of a declined attempt to pay."""

from __future__ import annotations

from typing import Any

import pytest

from tutormesh.payment.v1 import payment_pb2

QUERY = "{ getPaymentHistory { nodes { declineReason attemptsLeft } } }"
REASONS = payment_pb2.DeclineReason.values()


async def shown(student: Any, script: Any, payment: payment_pb2.Payment) -> tuple[str | None, int | None]:
    script.answers["ListPayments"] = payment_pb2.ListPaymentsResponse(payments=[payment])
    (only,) = (await student.data(QUERY))["getPaymentHistory"]["nodes"]
    return only["declineReason"], only["attemptsLeft"]


@pytest.mark.parametrize("number", REASONS[1:])
async def test_each_reason_is_shown_as_a_word(student: Any, script: Any, lesson: Any, number: Any) -> None:
    word = payment_pb2.DeclineReason.Name(number).removeprefix("DECLINE_REASON_").lower()
    assert await shown(student, script, lesson.payment(decline_reason=number, attempts_left=0)) == (word, 0)


async def test_a_payment_service_of_another_version_breaks_nothing(student: Any, script: Any, lesson: Any) -> None:
    assert await shown(student, script, lesson.payment()) == (None, None)
    later = lesson.payment(decline_reason=max(REASONS) + 1, attempts_left=1)
    assert await shown(student, script, later) == ("other", 1)
