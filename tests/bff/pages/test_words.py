"""Money and times as people of a locale write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from babel import Locale

from bff.pages import words
from bff.pages.languages import Reader
from tests.bff.pages.purchases import at, lesson
from tutormesh.common.v1.money_pb2 import Money

ENGLISH, GERMAN = Reader(), Reader("de", Locale("de"))


@pytest.mark.parametrize(
    ("amount", "currency", "english", "german"),
    [
        (123456, "EUR", "€1,234.56", "1.234,56\xa0€"),
        (2000, "JPY", "¥2,000", "2.000\xa0¥"),
        (1250, "KWD", "KWD\xa01.250", "1,250\xa0KWD"),
        (0, "USD", "$0.00", "0,00\xa0$"),
        (5000, "LBP", "LBP\xa050.00", "50,00\xa0LBP"),
        (0, "", "", ""),
    ],
)
def test_money_has_our_places_and_the_readers_signs(amount: int, currency: str, english: str, german: str) -> None:
    told = Money(amount_minor=amount, currency=currency)
    assert (words.money(ENGLISH, told), words.money(GERMAN, told)) == (english, german)


@pytest.mark.parametrize(
    ("hours", "english", "german"),
    [
        (24, "24 hours", "24 Stunden"),
        (336, "14 days", "14 Tage"),
        (1.5, "90 minutes", "90 Minuten"),
        (1, "60 minutes", "60 Minuten"),
    ],
)
def test_a_length_is_told_in_whole_units(hours: float, english: str, german: str) -> None:
    span = timedelta(hours=hours)
    assert (words.length(ENGLISH, span), words.length(GERMAN, span)) == (english, german)


def test_a_lesson_over_midnight_names_the_other_day() -> None:
    zone = ZoneInfo("Europe/Berlin")
    start = datetime(2030, 1, 31, 23, 30, tzinfo=zone)
    assert words.hours(GERMAN, start, start + timedelta(hours=1)) == "23:30 – 00:30 (01.02.2030)"
    assert words.hours(GERMAN, start, start + timedelta(minutes=30)) == "23:30 – 00:00"


@pytest.mark.parametrize("zone", ["", "UTC", "Mars/Olympus", "../../etc/passwd"])
def test_a_zone_that_is_not_known_is_utc(zone: str) -> None:
    assert words.zone_of(ENGLISH, lesson(timezone=zone)).key == "UTC"


@pytest.mark.parametrize(("when", "said"), [("2030-01-31T09:00:00Z", "Standard"), ("2030-07-31T09:00:00Z", "Summer")])
def test_the_zones_name_is_that_of_the_day(when: str, said: str) -> None:
    start = words.instant(at(when), ZoneInfo("Europe/Berlin"))
    assert words.zone_name(ENGLISH, start) == f"Central European {said} Time (Europe/Berlin)"


def test_a_rule_whose_time_is_over_is_not_promised() -> None:
    purchase = lesson()
    soon = datetime(2030, 1, 31, 6, 0, tzinfo=UTC)
    lines = words.describe_purchase(ENGLISH, purchase, soon).policy
    assert [line.split()[0] for line in lines] == ["50%", "After", "If"]
    late = words.describe_purchase(ENGLISH, purchase, soon + timedelta(hours=2)).policy
    assert late == ("Nothing goes back.", "If the tutor cancels, everything goes back.")
