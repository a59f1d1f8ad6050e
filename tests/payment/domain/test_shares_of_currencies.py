"""51: in every currency, for every length and every percent, what goes over the wire is taken, and is what was shown."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from devkit.sandbox.resources import money as sandbox
from mesh.currencies import CURRENCIES, Currency
from mesh.money import Money
from payment_svc.domain.owed import Share
from payment_svc.providers.stripe_amounts import from_wire, to_wire

TAKEN = [known for known in CURRENCIES.values() if known.is_taken]
LENGTHS = range(15, 241)
#: Decimal places on the wire, as Stripe's page has them. UGX stands there in two lists; the special case is the rule.
ZERO_DECIMAL = frozenset("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split())
THREE_DECIMAL = frozenset("BHD JOD KWD OMR TND".split())


def rates_of(known: Currency) -> Iterator[Money]:
    """Rates per hour: cheap, odd, plain, and the dearest of a whole hour."""
    for minor in (
        4 * known.least + 397,
        7 * known.least + 1001,
        5000 * known.step + 3,
        known.most // 4 + 1,
        known.most,
    ):
        yield Money(minor, known.code)


def shown_at_stripe(wire: int, code: str) -> Decimal:
    """What Stripe's dashboard shows of an amount on its wire, in major units."""
    places = 0 if code in ZERO_DECIMAL else 3 if code in THREE_DECIMAL else 2
    return Decimal(wire).scaleb(-places)


@pytest.mark.parametrize("known", TAKEN, ids=lambda known: known.code)
def test_51_each_price_on_the_wire_is_taken_and_is_what_was_shown(known: Currency) -> None:
    prices = {rate.for_minutes(minutes) for rate in rates_of(known) for minutes in LENGTHS}
    payable = [price for price in prices if price.is_payable]
    assert len(payable) > len(LENGTHS)
    for price in payable:
        wire = to_wire(price)
        sandbox.check_charge(wire, known.code.lower())
        assert shown_at_stripe(wire, known.code) == Decimal(price.decimal)
        assert from_wire(wire, known.code) == price.amount_minor


@pytest.mark.parametrize("known", TAKEN, ids=lambda known: known.code)
def test_51_each_refund_on_the_wire_is_taken_and_is_what_was_shown(known: Currency) -> None:
    paid_for = [rate.for_minutes(minutes) for rate in rates_of(known) for minutes in (15, 50, 60, 240)]
    for paid in filter(lambda price: price.is_payable, paid_for):
        for percent in range(101):
            refund = Share(percent, "").of(paid)
            wire = to_wire(refund)
            sandbox.check_step(wire, known.code.lower())
            assert shown_at_stripe(wire, known.code) == Decimal(refund.decimal)
            assert abs(refund.amount_minor * 100 - paid.amount_minor * percent) <= 50 * known.step
            assert refund <= paid


def test_the_sandbox_takes_the_currencies_that_we_do() -> None:
    assert {known.code.lower() for known in TAKEN} <= sandbox.CURRENCIES
    assert {code.lower() for code, known in CURRENCIES.items() if not known.is_taken}.isdisjoint(sandbox.CURRENCIES)


@pytest.mark.parametrize("known", TAKEN, ids=lambda known: known.code)
def test_just_below_the_least_and_above_the_most_the_sandbox_refuses_too(known: Currency) -> None:
    below, above = known.least - known.step, known.most + known.step
    if below:
        with pytest.raises(sandbox.ApiError, match="at least"):
            sandbox.check_charge(to_wire(Money(below, known.code)), known.code.lower())
    if known.code not in ("IDR", "COP"):  # those are limited by what the public API can tell
        with pytest.raises(sandbox.ApiError, match="no more than"):
            sandbox.check_charge(to_wire(Money(above, known.code)), known.code.lower())


@pytest.mark.parametrize(
    ("paid", "percent", "back"),
    [
        (Money(1250, "KWD"), 50, 620),  # 625: to the even step
        (Money(1270, "KWD"), 50, 640),
        (Money(1230, "KWD"), 100, 1230),
        (Money(4167, "ISK"), 50, 2084),
        (Money(1255, "KWD"), 100, 1255),  # from before prices were rounded: all of it, and never more
        (Money(16, "KWD"), 99, 16),
    ],
)
def test_a_share_is_rounded_half_even_to_what_can_be_given_back(paid: Money, percent: int, back: int) -> None:
    assert Share(percent, "").of(paid) == Money(back, paid.currency)


@pytest.mark.parametrize(
    ("wire", "currency", "minor"),
    [(500, "UGX", 5), (550, "UGX", 5), (99, "ISK", 0), (550, "USD", 550), (550, "XXX", 550), (550, "", 550)],
)
def test_an_amount_of_the_wire_is_read_in_minor_units_and_a_fraction_of_one_is_dropped(
    wire: int, currency: str, minor: int
) -> None:
    assert from_wire(wire, currency) == minor
