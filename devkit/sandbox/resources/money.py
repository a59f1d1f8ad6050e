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

# Stripe: "Minimum and maximum charge amounts", in minor units. Other currencies have the minimum 1 here.
MINIMUM = {
    **dict.fromkeys("usd aud brl cad chf eur inr jpy nzd sgd".split(), 50),
    "aed": 200,
    "bgn": 100,
    "czk": 1500,
    "dkk": 250,
    "gbp": 30,
    "hkd": 400,
    "huf": 17500,
    "mxn": 1000,
    "myr": 200,
    "nok": 300,
    "pln": 200,
    "ron": 200,
    "sek": 300,
    "thb": 1000,
}
MAXIMUM = 99_999_999


def currency(params: Params) -> str:
    """The request's currency, in lower case. Raises ApiError."""
    given = params.text("currency")
    if given is None:
        raise missing("currency")
    if given.lower() not in CURRENCIES:
        raise ApiError(f"Invalid currency: {given[:20].lower()}.", param="currency")
    return given.lower()


def check(amount: int, code: str) -> None:
    """Raise ApiError for an amount (minor units) that Stripe would not charge in this currency."""
    if amount < MINIMUM.get(code, 1):
        message = f"Amount must be at least {MINIMUM[code]} {code} (minor units)."
        raise ApiError(message, code="amount_too_small", param="amount")
    if amount > MAXIMUM:
        message = f"Amount must be no more than {MAXIMUM} {code} (minor units)."
        raise ApiError(message, code="amount_too_large", param="amount")
