"""A purchase as people read it: money and times as the locale writes them, the cancellation policy in words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel import dates, numbers, units
from google.protobuf.timestamp_pb2 import Timestamp

from bff.pages.languages import Reader
from mesh import locales
from mesh.errors import BadInput
from mesh.localized import write_date, write_money, write_short_date, write_time, write_zone
from mesh.money import Money
from mesh.plain_text import one_line
from tutormesh.common.v1 import money_pb2
from tutormesh.payment.v1 import link_pb2


def money(reader: Reader, amount: money_pb2.Money) -> str:
    """50,00 € for de, €50.00 for en; empty for no amount."""
    if not amount.currency:
        return ""
    return write_money(Money(amount.amount_minor, amount.currency), reader.locale)


def percent(reader: Reader, number: int) -> str:
    return str(numbers.format_percent(Decimal(number) / 100, locale=reader.locale))


def zone_of(reader: Reader, purchase: link_pb2.Purchase) -> ZoneInfo:
    """The time zone in which the person reads: the purchase's; the browser's when nobody had said one."""
    names = (reader.timezone if purchase.reads_in_any_timezone else "", purchase.timezone)
    for name in names:  # a service of another version may not know it, or know one that we do not
        with contextlib.suppress(BadInput):
            if known := locales.timezone(name, "timezone"):
                return ZoneInfo(known)
    return ZoneInfo("UTC")


def day(reader: Reader, when: datetime) -> str:
    """Friday, November 27, 2026."""
    return write_date(when, reader.locale)


def hours(reader: Reader, start: datetime, end: datetime) -> str:
    """10:00 – 11:00, each in its own zone; the end's day too when it is another one."""
    begin, finish = write_time(start, reader.locale), write_time(end, reader.locale)
    if end.date() != start.date() and end != _midnight(end):
        finish = f"{finish} ({dates.format_date(end, 'medium', locale=reader.locale)})"
    return f"{begin} – {finish}"


def moment(reader: Reader, when: datetime) -> str:
    """Fri, Nov 27, 2026, 10:00 AM."""
    joined = str(dates.get_datetime_format("medium", locale=reader.locale)).replace("'", "")
    return joined.replace("{1}", write_short_date(when, reader.locale)).replace("{0}", write_time(when, reader.locale))


def zone_name(reader: Reader, when: datetime) -> str:
    """Central European Time (Europe/Berlin): what people call it, and what it is."""
    return write_zone(when, str(when.tzinfo), reader.locale)


def length(reader: Reader, duration: timedelta) -> str:
    """60 minutes, 24 hours, 14 days: in the largest unit that is whole, days from two on."""
    minutes = round(duration.total_seconds() / 60)
    unit, number = "minute", minutes
    if minutes >= 2 * 24 * 60 and minutes % (24 * 60) == 0:
        unit, number = "day", minutes // (24 * 60)
    elif minutes >= 2 * 60 and minutes % 60 == 0:
        unit, number = "hour", minutes // 60
    return str(units.format_unit(number, f"duration-{unit}", "long", locale=reader.locale))


def free_time(reader: Reader, time: link_pb2.FreeTime, zone: ZoneInfo) -> str:
    """Fri, Nov 27, 2026, 10:00 AM."""
    return moment(reader, instant(time.start_time, zone))


def instant(stamp: Timestamp, zone: ZoneInfo) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC).astimezone(zone)


@dataclass(frozen=True, slots=True)
class PurchaseWords:
    """What a purchase's pages say of it. Nothing in it changes while a page is open."""

    is_lesson: bool
    is_tutors: bool
    heading: str
    price: str
    course: str = ""
    purpose: str = ""
    day: str = ""
    hours: str = ""
    zone: str = ""
    length: str = ""
    policy: tuple[str, ...] = ()


def describe_purchase(reader: Reader, purchase: link_pb2.Purchase, now: datetime) -> PurchaseWords:
    """The purchase in the reader's language."""
    is_lesson = purchase.HasField("start_time") and purchase.HasField("end_time")
    is_tutors = purchase.person == link_pb2.LINK_PERSON_TUTOR
    course = one_line(purchase.course_title)
    words = PurchaseWords(
        is_lesson=is_lesson,
        is_tutors=is_tutors,
        heading=_heading(reader, purchase, is_lesson=is_lesson, is_tutors=is_tutors),
        price=money(reader, purchase.price),
        course=course if is_lesson else "",
        purpose=one_line(purchase.purpose),
        policy=tuple(_policy(reader, purchase, now)),
    )
    return _with_times(reader, words, purchase) if is_lesson else words


def _with_times(reader: Reader, words: PurchaseWords, purchase: link_pb2.Purchase) -> PurchaseWords:
    zone = zone_of(reader, purchase)
    start, end = instant(purchase.start_time, zone), instant(purchase.end_time, zone)
    return replace(
        words,
        day=day(reader, start),
        hours=hours(reader, start, end),
        zone=zone_name(reader, start),
        length=length(reader, end - start),
    )


def _heading(reader: Reader, purchase: link_pb2.Purchase, *, is_lesson: bool, is_tutors: bool) -> str:
    if not is_lesson:
        return one_line(purchase.course_title) or reader.text("purchase.course")
    if is_tutors:
        return reader.text("purchase.lesson_of_tutor")
    tutor = one_line(purchase.tutor_name)
    return reader.text("purchase.lesson_with", tutor=tutor) if tutor else reader.text("purchase.lesson")


def _policy(reader: Reader, purchase: link_pb2.Purchase, now: datetime) -> Iterator[str]:
    """A line for each rule that can still apply, and what holds besides."""
    if purchase.person == link_pb2.LINK_PERSON_TUTOR:
        yield reader.text("purchase.policy_of_tutor")
        return
    lines = list(_rules(reader, purchase, now))
    yield from lines
    yield reader.text("purchase.policy_later" if lines else "purchase.policy_never")
    if purchase.HasField("start_time"):
        yield reader.text("purchase.policy_tutor_cancels")


def _rules(reader: Reader, purchase: link_pb2.Purchase, now: datetime) -> Iterator[str]:
    zone = zone_of(reader, purchase)
    for rule in purchase.policy:
        span, share = timedelta(hours=rule.hours), percent(reader, rule.percent)
        if not rule.percent:
            continue
        if not purchase.HasField("start_time"):
            yield reader.text("purchase.policy_since_payment", percent=share, length=length(reader, span))
            continue
        until = instant(purchase.start_time, zone) - span
        if until > now:
            said = {"percent": share, "length": length(reader, span), "time": moment(reader, until)}
            yield reader.text("purchase.policy_before_lesson", **said)


def _midnight(when: datetime) -> datetime:
    return when.replace(hour=0, minute=0, second=0, microsecond=0)
