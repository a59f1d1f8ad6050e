"""Money: a whole number of minor units and an ISO 4217 currency, never a float."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

#: Minor-unit exponents that are not 2 (ISO 4217 list one; Stripe: zero-decimal and three-decimal currencies).
#: Where the two differ (MGA), Stripe's exponent is used, so that an amount is the same integer here and there.
_EXPONENTS = {
    **dict.fromkeys("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF UGX VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
}
_TWO_DECIMALS = frozenset(
    (
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF"
        " CNY COP CRC CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS"
        " INR ISK JMD KES KGS KHR KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR"
        " MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS"
        " SRD STN SZL THB TJS TOP TRY TTD TWD TZS UAH USD UYU UZS WST XCD YER ZAR ZMW"
    ).split()
)
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

MAX_MINOR = 99_999_999  # Stripe: the largest amount of a PaymentIntent has eight digits

#: The most decimal places that an amount is read with; a longer one is refused before it costs memory.
MOST_PLACES = 30


def exponent(currency: str) -> int:
    """The decimal places of a currency: USD 2, JPY 0, KWD 3. Raises ValueError for an unknown currency."""
    if currency in _EXPONENTS:
        return _EXPONENTS[currency]
    if currency in _TWO_DECIMALS:
        return 2
    raise ValueError("not an ISO 4217 currency in upper case")


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
        places = exponent(currency)
        if not 0 <= amount <= MAX_MINOR or int(amount.as_tuple().exponent) < -MOST_PLACES:
            raise ValueError(f"must be from 0 to {Money(MAX_MINOR, currency).decimal}")
        minor = Fraction(amount) * 10**places  # a Decimal's own arithmetic rounds to its context
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
        """The price of a lesson at this hourly rate: rate × minutes / 60, rounded half-even."""
        exact = Fraction(self.amount_minor * minutes, 60)
        rounded = (Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
        return Money(int(rounded), self.currency)
