"""Amounts, times and time zones as a person's locale writes them, for pages and mails."""

from __future__ import annotations

import copy
import re
from datetime import datetime
from decimal import Decimal

from babel import Locale, dates

from mesh.money import Money, exponent

#: Between letters and a number. CLDR's currencySpacing puts a space there, which babel leaves out.
_LETTERS_BESIDE_NUMBER = re.compile(r"(?<=[^\W\d_])(?=\d)")


def write_money(amount: Money, locale: Locale) -> str:
    """50,00 € for de, €50.00 for en. Spaces are no-break spaces.

    The decimal places are the API's (mesh.currencies). CLDR has others: it shows the 5000 of LAK 50.00 as LAK 50.
    """
    places = exponent(amount.currency)
    pattern = copy.copy(locale.currency_formats["standard"])
    pattern.frac_prec = (places, places)
    written = pattern.apply(Decimal(amount.decimal), locale, currency=amount.currency, currency_digits=False)
    return _LETTERS_BESIDE_NUMBER.sub("\xa0", written)


def write_zone(when: datetime, zone: str, locale: Locale) -> str:
    """Central European Time (Europe/Berlin): what people call it, and what it is. `when` is a time in the zone."""
    name = str(dates.get_timezone_name(when, "long", locale=locale))
    return name if zone == "UTC" else f"{name} ({zone.replace('_', ' ')})"


def write_date(day: datetime, locale: Locale) -> str:
    """Friday, November 27, 2026."""
    return str(dates.format_date(day, "full", locale=locale))


def write_short_date(day: datetime, locale: Locale) -> str:
    """Fri, Nov 27, 2026."""
    return str(dates.format_skeleton("yMMMEd", day, day.tzinfo, locale=locale))


def write_time(when: datetime, locale: Locale) -> str:
    """10:00 AM, in the zone that `when` has."""
    return str(dates.format_time(when, "short", tzinfo=when.tzinfo, locale=locale))
