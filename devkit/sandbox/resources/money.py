"""The amounts and currencies that Stripe accepts."""

from __future__ import annotations

from devkit.sandbox.wire.errors import ApiError, missing
from devkit.sandbox.wire.params import Params

# Stripe: "Supported currencies".
CURRENCIES = frozenset(
    """usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf
    clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr
    isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr
    mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd
    std szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xcg xof xpf yer zar zmw""".split()
)

# Stripe: "Minimum charge amount by currency", in the wire's units. Other currencies have the minimum 1, but for LBP: this
# account settles in USD, and an LBP 1.00 is no cent. Stripe refuses what is too little after its conversion.
MINIMUM = {
    **dict.fromkeys("usd ars aud brl cad chf cop eur idr ils inr jpy krw nzd php rub sgd zar".split(), 50),
    **dict.fromkeys("aed myr pln ron".split(), 200),
    **dict.fromkeys("nok sek".split(), 300),
    **dict.fromkeys("mxn thb".split(), 1000),
    "bgn": 100,
    "czk": 1500,
    "dkk": 250,
    "gbp": 30,
    "hkd": 400,
    "huf": 17500,
    "lbp": 100,
}
# Stripe: "Maximum charge amounts", for any payment method: eight digits, in some currencies more.
MAXIMUM, MORE_DIGITS = 99_999_999, {"inr": 999_999_999, "cop": 9_999_999_999, "idr": 999_999_999_999}
# Stripe: "Three-decimal currencies" and "Special cases": what an amount must be divisible by, of charges and refunds.
STEP = {**dict.fromkeys("bhd jod kwd omr tnd".split(), 10), **dict.fromkeys("isk ugx".split(), 100)}


def currency(params: Params) -> str:
    """The request's currency, in lower case. Raises ApiError."""
    given = params.text("currency")
    if given is None:
        raise missing("currency")
    if given.lower() not in CURRENCIES:
        raise ApiError(f"Invalid currency: {given[:20].lower()}.", param="currency")
    return given.lower()


def check_charge(amount: int, code: str) -> None:
    """Raise ApiError for an amount that Stripe would not charge in this currency."""
    least, most = MINIMUM.get(code, 1), MORE_DIGITS.get(code, MAXIMUM)
    if amount < least:
        raise ApiError(
            f"Amount must be at least {least} {code} (minor units).", code="amount_too_small", param="amount"
        )
    if amount > most:
        message = f"Amount must be no more than {most} {code} (minor units)."
        raise ApiError(message, code="amount_too_large", param="amount")
    check_step(amount, code)


def check_step(amount: int, code: str) -> None:
    """Raise ApiError for an amount that Stripe would neither charge nor refund, because it ends in the wrong digits."""
    step = STEP.get(code, 1)
    if amount % step:
        code_of_error = "invalid_charge_amount_no_decimal_compatible" if step == 100 else "parameter_invalid_integer"
        message = f"Invalid amount. Amounts in {code.upper()} must be evenly divisible by {step}."
        raise ApiError(message, code=code_of_error, param="amount")
