"""The table of currencies says what Stripe's page says, once for each currency."""

from __future__ import annotations

import pytest

from mesh.currencies import _ROWS, CURRENCIES, MOST_TOLD, find_currency

#: Stripe, "Supported currencies": what the page names, in major units.
LEAST = {
    **dict.fromkeys("ARS AUD BRL CAD CHF COP EUR IDR ILS INR NZD PHP RUB SGD USD ZAR".split(), "0.50"),
    **dict.fromkeys("AED MYR PLN RON".split(), "2.00"),
    **dict.fromkeys("NOK SEK".split(), "3.00"),
    **dict.fromkeys("JPY KRW".split(), "50"),
    **dict.fromkeys("MXN THB".split(), "10.00"),
    "BGN": "1.00",
    "CZK": "15.00",
    "DKK": "2.50",
    "GBP": "0.30",
    "HKD": "4.00",
    "HUF": "175.00",
}
ZERO_DECIMAL = frozenset("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF UGX VND VUV XAF XOF XPF".split())
THREE_DECIMAL = frozenset("BHD JOD KWD OMR TND".split())


def test_a_currency_has_one_row():
    codes = [code for row in _ROWS for code in str(row[0]).split()]
    assert sorted(codes) == sorted(CURRENCIES)


@pytest.mark.parametrize("code", sorted(LEAST))
def test_the_least_amount_is_the_one_of_stripes_page(code):
    known = CURRENCIES[code]
    whole, _, fraction = LEAST[code].partition(".")
    assert known.least == int(f"{whole}{fraction}")
    assert len(fraction) == known.places


@pytest.mark.parametrize(
    "known", [known for known in CURRENCIES.values() if known.is_taken], ids=lambda known: known.code
)
def test_a_row_agrees_with_the_rules_of_stripes_page(known):
    zero = known.code in ZERO_DECIMAL or known.code == "ISK"
    assert known.places == (0 if zero else 3 if known.code in THREE_DECIMAL else 2)
    assert known.step == (10 if known.code in THREE_DECIMAL else 1)
    if known.code not in LEAST:
        assert known.least == known.step
    assert known.least % known.step == known.most % known.step == 0
    assert known.least < known.most <= MOST_TOLD


@pytest.mark.parametrize(
    ("code", "most"),
    [
        ("USD", 99_999_999),
        ("JPY", 99_999_999),
        ("KWD", 99_999_990),
        ("UGX", 999_999),
        ("ISK", 999_999),
        ("INR", 999_999_999),
        ("COP", MOST_TOLD),  # Stripe takes ten digits, and twelve of IDR; the public API cannot tell them
        ("IDR", MOST_TOLD),
        *(("STN", 0), ("IQD", 0), ("LYD", 0)),
    ],
)
def test_the_most_is_what_stripe_takes_and_the_public_api_can_tell(code, most):
    assert CURRENCIES[code].most == most


@pytest.mark.parametrize("code", ["usd", "", "XXX", "USDT"])
def test_an_unknown_currency_is_refused(code):
    with pytest.raises(ValueError, match="ISO 4217"):
        find_currency(code)
