"""Stripe's test payment methods, and what happens to a payment with each.

Source: Stripe, "Test card numbers". A card is identified by its last four digits.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Card:
    """A test card. `code` is empty for a card that pays."""

    brand: str
    last4: str
    code: str = ""
    decline_code: str | None = None
    message: str = ""
    authenticate: bool = False


_DECLINED = "card_declined"
VISA = Card("visa", "4242")
CARDS = {
    "pm_card_visa": VISA,
    "pm_card_mastercard": Card("mastercard", "4444"),
    "pm_card_amex": Card("amex", "8431"),
    "pm_card_chargeDeclined": Card("visa", "0002", _DECLINED, "generic_decline", "Your card was declined."),
    "pm_card_chargeDeclinedInsufficientFunds": Card(
        "visa", "9995", _DECLINED, "insufficient_funds", "Your card has insufficient funds."
    ),
    "pm_card_chargeDeclinedExpiredCard": Card("visa", "0069", "expired_card", None, "Your card has expired."),
    "pm_card_authenticationRequired": Card("visa", "3184", authenticate=True),
}
# Stripe accepts two names for each declined card.
for _name in [name for name in CARDS if "chargeDeclined" in name]:
    CARDS[_name.replace("pm_card_", "pm_card_visa_")] = CARDS[_name]

_BY_LAST4 = {card.last4: card for card in CARDS.values()}


def with_last4(last4: str) -> Card:
    """The test card that ends in these digits."""
    return _BY_LAST4[last4]
