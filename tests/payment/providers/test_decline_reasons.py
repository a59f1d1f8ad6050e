"""Why Stripe declined an attempt, as a word that may be shown: never Stripe's own."""

from __future__ import annotations

from typing import Any

import pytest

from payment_svc.domain import DeclineReason
from payment_svc.providers.stripe_objects import read_intent

INTENT = {
    "id": "pi_1",
    "object": "payment_intent",
    "status": "requires_payment_method",
    "amount": 5000,
    "amount_received": 0,
    "currency": "usd",
    "metadata": {},
}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (None, None),
        ({}, None),
        ({"code": "card_declined", "decline_code": "generic_decline"}, DeclineReason.CARD_DECLINED),
        ({"code": "card_declined", "decline_code": "fraudulent"}, DeclineReason.CARD_DECLINED),
        ({"code": "card_declined", "decline_code": "stolen_card"}, DeclineReason.CARD_DECLINED),
        ({"code": "card_declined", "decline_code": "insufficient_funds"}, DeclineReason.INSUFFICIENT_FUNDS),
        ({"code": "card_declined", "decline_code": "authentication_required"}, DeclineReason.AUTHENTICATION_REQUIRED),
        ({"code": "authentication_required"}, DeclineReason.AUTHENTICATION_REQUIRED),
        ({"code": "payment_intent_authentication_failure"}, DeclineReason.AUTHENTICATION_REQUIRED),
        ({"code": "expired_card", "decline_code": None}, DeclineReason.EXPIRED_CARD),
        ({"code": "incorrect_cvc", "decline_code": "incorrect_cvc"}, DeclineReason.INCORRECT_DETAILS),
        ({"code": "processing_error"}, DeclineReason.PROCESSING_ERROR),
        ({"code": "a_code_of_tomorrow"}, DeclineReason.OTHER),
        ({"message": "words for a person"}, DeclineReason.OTHER),
        ({"code": 5, "decline_code": ["card_declined"]}, DeclineReason.OTHER),
        ({"code": {"card_declined": 1}, "decline_code": "insufficient_funds"}, DeclineReason.INSUFFICIENT_FUNDS),
    ],
)
def test_an_error_of_stripes_is_told_in_a_word_of_ours(error: Any, reason: DeclineReason | None) -> None:
    assert read_intent(INTENT | {"last_payment_error": error}).decline_reason is reason
