"""Money is exact, knows its currency, and is displayed as people write it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.money import _EXPONENTS, _TWO_DECIMALS, MAX_MINOR, Money, exponent

AMOUNTS = st.integers(0, MAX_MINOR)
CURRENCIES = st.sampled_from(sorted({*_EXPONENTS, *_TWO_DECIMALS}))


@pytest.mark.parametrize(
    ("money", "display"),
    [
        (Money(5000, "USD"), "$50.00"),
        (Money(2000, "JPY"), "¥2,000"),
        (Money(1250, "KWD"), "KWD 1.250"),
        (Money(0, "EUR"), "€0.00"),
        (Money(5, "GBP"), "£0.05"),
        (Money(99_999_999, "USD"), "$999,999.99"),
        (Money(99_999_999, "KRW"), "₩99,999,999"),
        (Money(100, "CHF"), "CHF 1.00"),
    ],
)
def test_money_reads_as_people_write_it(money, display):
    assert money.display == display


@pytest.mark.parametrize(("currency", "places"), [("USD", 2), ("JPY", 0), ("KWD", 3), ("MGA", 0), ("ISK", 2)])
def test_a_currency_has_the_providers_decimal_places(currency, places):
    assert exponent(currency) == places


def test_no_currency_is_in_two_lists():
    assert not _TWO_DECIMALS & _EXPONENTS.keys()


@pytest.mark.parametrize("currency", ["usd", "", "US", "USDT", "XXX", "ÜSD"])
def test_an_unknown_currency_is_refused(currency):
    with pytest.raises(ValueError, match="ISO 4217"):
        Money(1, currency)


@pytest.mark.parametrize("amount", [-1, MAX_MINOR + 1])
def test_an_amount_out_of_range_is_refused(amount):
    with pytest.raises(ValueError, match="minor units"):
        Money(amount, "USD")


@pytest.mark.parametrize(
    ("rate", "minutes", "price"),
    [(5000, 60, 5000), (5000, 90, 7500), (5000, 1, 83), (1, 30, 0), (3, 30, 2), (5, 30, 2), (7, 30, 4), (0, 45, 0)],
)
def test_a_lesson_costs_its_share_of_the_hourly_rate_rounded_half_even(rate, minutes, price):
    assert Money(rate, "USD").for_minutes(minutes) == Money(price, "USD")


@given(AMOUNTS, CURRENCIES, st.integers(1, 480))
def test_a_price_is_within_half_a_minor_unit_of_the_exact_one(amount, currency, minutes):
    exact = amount * minutes
    try:
        price = Money(amount, currency).for_minutes(minutes)
    except ValueError:
        assert exact > (MAX_MINOR + 0.5) * 60 - 1
        return
    off = abs(price.amount_minor * 60 - exact)
    assert off <= 30
    assert off < 30 or price.amount_minor % 2 == 0


@given(AMOUNTS, CURRENCIES)
def test_the_displayed_number_is_the_amount(amount, currency):
    shown = Money(amount, currency).display
    digits = "".join(character for character in shown if character.isdigit() or character == ".")
    assert Decimal(digits.lstrip(".")).scaleb(exponent(currency)) == amount
