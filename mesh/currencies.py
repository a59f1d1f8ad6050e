"""What can be charged in which currency: decimal places, step, least and most. One row for each currency.

Amounts here are whole numbers of minor units. How Stripe writes them on its wire is a matter of its adapter alone.

| fact | source |
|---|---|
| places | ISO 4217, list one. MGA has 0, as CLDR and Stripe count it: its subunit is a fifth, and nobody charges it |
| step | Stripe, "Supported currencies": three-decimal amounts end in 0; no other amount has a fraction of a minor unit |
| least | the same page, "Minimum charge amount by currency"; 1 step where the page has none |
| most | the same page, "Maximum charge amounts", the tighter of its two lists: a payment method may be any |

The page is docs.stripe.com/currencies. HUF and TWD have rules there for payouts; charges in them have none. A least
amount holds for an account that settles in the same currency. Another account's is the equivalent of its own currency's,
which only Stripe knows: it may refuse an amount that is payable here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: The largest amount that the public API can tell: GraphQL's Int has 32 bits. Nothing dearer is sold.
MOST_TOLD = 2**31 - 1

_EIGHT_DIGITS, _NINE_DIGITS, _TEN_DIGITS, _TWELVE_DIGITS = (10**digits - 1 for digits in (8, 9, 10, 12))


@dataclass(frozen=True, slots=True)
class Currency:
    """What is known of a currency. Amounts are minor units; `most` is 0 when the provider does not take the currency."""

    code: str
    places: int
    step: int
    least: int
    most: int

    @property
    def is_taken(self) -> bool:
        """True when the provider can charge in this currency at all."""
        return self.most > 0

    def can_charge_some(self, low: int, high: int) -> bool:
        """True when an amount of minor units from `low` to `high` may be one that the provider charges."""
        return low <= self.most and high >= self.least


#: Codes, places, step, least, most.
_ROWS = (
    (
        "AFN ALL AMD ANG AOA AWG AZN BAM BBD BDT BMD BND BOB BSD BWP BYN BZD CDF CNY CRC CVE DOP DZD EGP ETB FJD FKP GEL"
        " GIP GMD GTQ GYD HNL HTG JMD KES KGS KHR KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MZN NAD"
        " NGN NIO NPR PAB PEN PGK PKR QAR RSD SAR SBD SCR SHP SLE SOS SRD SZL TJS TOP TRY TTD TWD TZS UAH UYU UZS WST"
        " XCD XCG YER ZMW",
        *(2, 1, 1, _EIGHT_DIGITS),
    ),
    ("ARS AUD BRL CAD CHF EUR ILS NZD PHP RUB SGD USD ZAR", 2, 1, 50, _EIGHT_DIGITS),
    ("GBP", 2, 1, 30, _EIGHT_DIGITS),
    ("BGN", 2, 1, 100, _EIGHT_DIGITS),
    ("AED MYR PLN RON", 2, 1, 200, _EIGHT_DIGITS),
    ("DKK", 2, 1, 250, _EIGHT_DIGITS),
    ("NOK SEK", 2, 1, 300, _EIGHT_DIGITS),
    ("HKD", 2, 1, 400, _EIGHT_DIGITS),
    ("MXN THB", 2, 1, 1000, _EIGHT_DIGITS),
    ("CZK", 2, 1, 1500, _EIGHT_DIGITS),
    ("HUF", 2, 1, 17500, _EIGHT_DIGITS),
    ("INR", 2, 1, 50, _NINE_DIGITS),
    ("COP", 2, 1, 50, _TEN_DIGITS),
    ("IDR", 2, 1, 50, _TWELVE_DIGITS),
    ("BIF CLP DJF GNF KMF MGA PYG RWF VND VUV XAF XOF XPF", 0, 1, 1, _EIGHT_DIGITS),
    ("JPY KRW", 0, 1, 50, _EIGHT_DIGITS),
    ("ISK UGX", 0, 1, 1, 999_999),  # eight digits on the wire, the last two of them zeros
    ("BHD JOD KWD OMR TND", 3, 10, 10, 99_999_990),
    ("STN", 2, 1, 1, 0),  # Stripe does not take these three
    ("IQD LYD", 3, 1, 1, 0),
)

CURRENCIES: Mapping[str, Currency] = {
    code: Currency(code, places, step, least, min(most, MOST_TOLD))
    for codes, places, step, least, most in _ROWS
    for code in codes.split()
}


def read_code(text: str) -> str:
    """The ISO 4217 code that a client wrote in any case, in upper case. Raises ValueError for an unknown currency."""
    code = text.upper() if text.isascii() else text
    find_currency(code)
    return code


def find_currency(code: str) -> Currency:
    """The currency with this ISO 4217 code. Raises ValueError for an unknown one, and for lower case."""
    try:
        return CURRENCIES[code]
    except KeyError:
        raise ValueError("not an ISO 4217 currency") from None
