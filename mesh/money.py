"""Money: a whole number of minor units and an ISO 4217 currency, never a float."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from mesh.currencies import MOST_TOLD, Currency, find_currency

_SYMBOLS = {
    "USD": "$",
    "EUR": "€",
    "GBP": "£",
    "JPY": "¥",
    "INR": "₹",
    "KRW": "₩",
    "CNY": "CN¥",
    "CAD": "CA$",
    "AUD": "A$",
}

#: The largest amount there is: twelve digits, the most that Stripe takes in any currency.
MAX_MINOR = 999_999_999_999

#: The most decimal places that an amount is read with; a longer one is refused before it costs memory.
MOST_PLACES = 30


def exponent(currency: str) -> int:
    """The decimal places of a currency: USD 2, JPY 0, KWD 3. Raises ValueError for an unknown currency."""
    return find_currency(currency).places


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount of at least 0 minor units. Raises ValueError for an unknown currency or an amount out of range."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        exponent(self.currency)
        if not 0 <= self.amount_minor <= MAX_MINOR:
            raise ValueError(f"the amount must be from 0 to {MAX_MINOR} minor units")

    @classmethod
    def exactly(cls, amount: Decimal, currency: str) -> Money:
        """The Money of a decimal amount: 50.00 USD is 5000 minor units. Raises ValueError for a part of a minor unit."""
        places, most = exponent(currency), Money(MOST_TOLD, currency)
        if not 0 <= amount <= MOST_TOLD or int(amount.as_tuple().exponent) < -MOST_PLACES:
            raise ValueError(f"must be from 0 to {most.decimal}")
        minor = Fraction(amount) * 10**places  # a Decimal's own arithmetic rounds to its context
        if minor > most.amount_minor:
            raise ValueError(f"must be from 0 to {most.decimal}")
        if minor.denominator != 1:
            raise ValueError(f"{currency} has {places} decimal places")
        return cls(int(minor), currency)

    @property
    def decimal(self) -> str:
        """The amount for machines: "50.00", "2000", "1.250"."""
        places = exponent(self.currency)
        return f"{Decimal(self.amount_minor).scaleb(-places):.{places}f}"

    @property
    def display(self) -> str:
        """The amount for people: "$50.00", "¥2,000", "KWD 1.250"."""
        places = exponent(self.currency)
        number = f"{Decimal(self.amount_minor).scaleb(-places):,.{places}f}"
        symbol = _SYMBOLS.get(self.currency)
        return f"{symbol}{number}" if symbol else f"{self.currency} {number}"

    def for_minutes(self, minutes: int) -> Money:
        """The price of a lesson at this hourly rate: rate × minutes / 60, rounded half-even to the currency's step."""
        return self.portion(minutes, 60)

    def portion(self, numerator: int, denominator: int) -> Money:
        """This fraction of the amount, rounded half-even to the currency's step: it can be charged and given back."""
        step = self._currency.step
        return Money(round(Fraction(self.amount_minor * numerator, denominator * step)) * step, self.currency)

    @property
    def is_payable(self) -> bool:
        """True when a purchase can cost this: nothing, or what the provider can charge in this currency."""
        known = self._currency
        is_in_range = known.least <= self.amount_minor <= known.most and self.amount_minor % known.step == 0
        return is_in_range or self.amount_minor == 0

    @property
    def is_enough(self) -> bool:
        """True when this is not less than the least amount that the provider charges in this currency."""
        return self.amount_minor >= self._currency.least

    @property
    def payable_amounts(self) -> str:
        """Which amounts are payable in this currency, in words."""
        known = self._currency
        if not known.is_taken:
            return f"must be 0: nothing can be charged in {known.code}"
        least, most, step = (Money(minor, known.code).decimal for minor in (known.least, known.most, known.step))
        steps = f" in steps of {step}" if known.step > 1 else ""
        return f"must be 0, or from {least} to {most} {known.code}{steps}"

    @property
    def _currency(self) -> Currency:
        return find_currency(self.currency)
