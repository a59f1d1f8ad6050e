"""What LinkService answers, as the JSON of the pages' scripts. Words are the reader's, so a script formats nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from bff.pages import words
from bff.pages.languages import Reader
from bff.times import format_time
from mesh.money import Money
from tutormesh.common.v1 import money_pb2
from tutormesh.payment.v1 import link_pb2, payment_pb2

Shape = dict[str, Any]
#: A page has so many at most, whatever a service sends.
MOST_FREE_TIMES = 3


def money(reader: Reader, amount: money_pb2.Money) -> Shape | None:
    """None for an amount that was not sent."""
    if not amount.currency:
        return None
    decimal = Money(amount.amount_minor, amount.currency).decimal
    return {"amount": decimal, "currency": amount.currency, "text": words.money(reader, amount)}


def checkout(reader: Reader, opened: link_pb2.Checkout) -> Shape:
    """The part of the page to pay on that can change while it is open."""
    zone = words.zone_of(reader, opened.purchase)
    return {
        "status": status(opened.purchase.status),
        "times": times(reader, opened.purchase),
        "seconds_left": opened.seconds_left,
        "client_secret": opened.client_secret or None,
        "payment_url": web_address(opened.payment_url),
        "decline_reason": _name(payment_pb2.DeclineReason, opened.decline_reason, "other"),
        "attempts_left": opened.attempts_left if opened.HasField("attempts_left") else None,
        "return_url": web_address(opened.return_url),
        "cancel_url": web_address(opened.cancel_url),
        "manage_url": web_address(opened.manage_url),
        "free_times": [
            {
                "start_time": format_time(time.start_time),
                "end_time": format_time(time.end_time),
                "text": words.free_time(reader, time, zone),
            }
            for time in opened.free_times[:MOST_FREE_TIMES]
        ],
    }


def purchase(reader: Reader, opened: link_pb2.OpenPurchaseResponse) -> Shape:
    """The part of the page to manage a purchase that can change while it is open."""
    return {
        "status": status(opened.purchase.status),
        "times": times(reader, opened.purchase),
        "meeting_link": web_address(opened.meeting_link),
        "is_cancellable": opened.is_cancellable,
        "refunded": money(reader, opened.refunded),
        "refund_pending": money(reader, opened.refund_pending),
        "refund_state": _name(payment_pb2.RefundState, opened.refund_state, "pending") or "none",
    }


def times(reader: Reader, purchase: link_pb2.Purchase) -> Shape | None:
    """What the page says of times, in the browser's zone; None when the purchase has a zone, or no times."""
    if not (purchase.reads_in_any_timezone and reader.timezone and purchase.HasField("start_time")):
        return None
    said = words.describe_purchase(reader, purchase, datetime.now(UTC))
    return {"day": said.day, "hours": said.hours, "zone": said.zone, "policy": list(said.policy)}


def quote(reader: Reader, reply: link_pb2.QuotePurchaseCancellationResponse) -> Shape:
    return {
        "refund": money(reader, reply.refund),
        "percent": words.percent(reader, reply.percent),
        "quote_token": reply.quote_token,
        "expires_at": format_time(reply.expires_at),
    }


def status(number: int) -> str:
    """`payment_required` and the like. What we do not know reads as "being confirmed", for it changes by itself."""
    return _name(link_pb2.PurchaseStatus, number, "being_confirmed") or "being_confirmed"


def web_address(url: str) -> str | None:
    """The URL, when a person can be sent to it: http(s) alone, whatever an operator, provider or client gave us."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.hostname else None


def _name(enum: Any, number: int, unknown: str) -> str | None:
    """DECLINE_REASON_OTHER → other. None for UNSPECIFIED; `unknown` for a value that only a newer service has."""
    if number == 0:
        return None
    if number not in enum.values():
        return unknown
    prefix: str = enum.Name(0).removesuffix("UNSPECIFIED")
    name: str = enum.Name(number)
    return name.removeprefix(prefix).lower()
