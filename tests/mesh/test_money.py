"""Money is exact, knows its currency, and is displayed as people write it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.currencies import CURRENCIES, MOST_TOLD
from mesh.money import MAX_MINOR, Money, exponent

AMOUNTS = st.integers(0, MOST_TOLD)
CODES = st.sampled_from(sorted(CURRENCIES))
TAKEN = st.sampled_from(sorted(code for code, known in CURRENCIES.items() if known.is_taken))


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
        (Money(5000, "ISK"), "ISK 5,000"),
        (Money(50000, "UGX"), "UGX 50,000"),
        (Money(MAX_MINOR, "IDR"), "IDR 9,999,999,999.99"),
    ],
)
def test_money_reads_as_people_write_it(money, display):
    assert money.display == display


@pytest.mark.parametrize(
    ("currency", "places"), [("USD", 2), ("JPY", 0), ("KWD", 3), ("MGA", 0), ("ISK", 0), ("UGX", 0), ("HUF", 2)]
)
def test_a_currency_has_its_decimal_places(currency, places):
    assert exponent(currency) == places


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


@pytest.mark.parametrize(
    ("rate", "minutes", "price"),
    [
        (Money(1245, "KWD"), 60, 1240),  # half a step: to the even one
        (Money(1250, "KWD"), 30, 620),
        (Money(1270, "KWD"), 30, 640),
        (Money(1, "UGX"), 30, 0),
        (Money(50_001, "UGX"), 30, 25_000),
        (Money(5001, "ISK"), 50, 4168),
        (Money(2_000_000_000, "IDR"), 240, 8_000_000_000),
    ],
)
def test_a_price_is_rounded_half_even_to_the_step_of_its_currency(rate, minutes, price):
    assert rate.for_minutes(minutes) == Money(price, rate.currency)


@given(AMOUNTS, TAKEN, st.integers(1, 480))
def test_a_price_is_within_half_a_step_of_the_exact_one(amount, currency, minutes):
    step, exact = CURRENCIES[currency].step, amount * minutes
    price = Money(amount, currency).for_minutes(minutes)
    off = abs(price.amount_minor * 60 - exact)
    assert price.amount_minor % step == 0
    assert off <= 30 * step
    assert off < 30 * step or price.amount_minor // step % 2 == 0


@given(AMOUNTS, TAKEN)
def test_a_rounded_amount_stays_when_it_is_rounded_again(amount, currency):
    rounded = Money(amount, currency).portion(1, 1)
    assert rounded.portion(1, 1) == rounded


@given(AMOUNTS, CODES, st.data())
def test_an_amount_is_payable_when_it_is_nothing_or_in_the_range_and_on_a_step(amount, currency, data):
    known = CURRENCIES[currency]
    edge = st.sampled_from([known.least, known.most]).map(lambda edge: edge + data.draw(st.integers(-11, 11)))
    minor = data.draw(st.one_of(st.just(amount), edge.map(abs)))
    wanted = minor == 0 or (known.least <= minor <= known.most and minor % known.step == 0)
    assert Money(minor, currency).is_payable == wanted


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        (Money(1, "USD"), "must be 0, or from 0.50 to 999999.99 USD"),
        (Money(1, "KWD"), "must be 0, or from 0.010 to 99999.990 KWD in steps of 0.010"),
        (Money(1, "IQD"), "must be 0: nothing can be charged in IQD"),
    ],
)
def test_what_can_be_paid_is_told_in_words(amount, told):
    assert not amount.is_payable
    assert amount.payable_amounts == told


@given(AMOUNTS, CODES)
def test_the_displayed_number_is_the_amount(amount, currency):
    shown = Money(amount, currency).display
    digits = "".join(character for character in shown if character.isdigit() or character == ".")
    assert Decimal(digits.lstrip(".")).scaleb(exponent(currency)) == amount
