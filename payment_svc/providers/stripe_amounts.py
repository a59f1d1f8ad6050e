"""Amounts on Stripe's wire. Source: Stripe, "Supported currencies" (docs.stripe.com/currencies), "Special cases".

Stripe writes an amount in the minor units of its currency, as we do, but for two currencies. They lost their decimal
places after Stripe had begun with two, and Stripe still writes two, which must be zeros: 5 UGX is `500`.

Which amounts Stripe takes at all is in `mesh.currencies`, so that the services that own prices can keep to it.
"""

from __future__ import annotations

from collections.abc import Mapping

from mesh.currencies import find_currency
from mesh.money import Money

#: Decimal places on Stripe's wire, where they are not the currency's own.
WIRE_PLACES: Mapping[str, int] = {"ISK": 2, "UGX": 2}


def to_wire(money: Money) -> int:
    """The amount as Stripe writes it."""
    return money.amount_minor * _factor(money.currency)


def from_wire(amount: int, currency: str) -> int:
    """Stripe's amount in minor units of the currency, upper case, which may be one that we do not know.

    A fraction of a minor unit, which Stripe took before 2023 and does not give back (Stripe: "Deprecation of fractional
    ISK charges and refunds"), is dropped.
    """
    return amount // _factor(currency)


def _factor(currency: str) -> int:
    places = WIRE_PLACES.get(currency)
    return 10 ** (places - find_currency(currency).places) if places is not None else 1
