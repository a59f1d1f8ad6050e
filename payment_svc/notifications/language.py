"""The languages of mails: their words, and how they write dates and money. A further language is one file in texts/."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_time

from mesh.localized import write_money, write_zone
from mesh.money import Money

DEFAULT = "en"
_TEXTS = Path(__file__).parent / "texts"
#: What of a BCP 47 tag the locale data knows: language, script and region.
_TAG = re.compile(r"([a-z]{2,3})(-[a-z]{4})?(-(?:[a-z]{2}|[0-9]{3}))?(?=-|$)", re.ASCII | re.IGNORECASE)
#: Spaces that only a typesetter tells apart. In the plain text of a mail some programs show a box for them.
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " "})


@dataclass(frozen=True, slots=True)
class Language:
    """One language of mails, as one region writes it."""

    code: str
    locale: Locale
    texts: dict[str, Any] = field(repr=False)

    def money(self, value: Money) -> str:
        """ "$50.00", "50,00 €"."""
        return write_money(value, self.locale).translate(_SPACES)

    def date(self, at: datetime) -> str:
        """ "Tuesday, November 24, 2026"."""
        return format_date(at, "full", self.locale).translate(_SPACES)

    def moment(self, at: datetime) -> str:
        """ "Tue, Nov 24, 2026, 11:00 AM", short enough for a subject."""
        day = format_skeleton("yMMMEd", at, at.tzinfo, locale=self.locale)
        return self._word("moment").format(date=day.translate(_SPACES), time=self.time(at))

    def span(self, start: datetime, end: datetime) -> str:
        """ "11:00 AM – 12:00 PM"."""
        return self._word("span").format(start=self.time(start), end=self.time(end))

    def time(self, at: datetime) -> str:
        return format_time(at, "short", locale=self.locale).translate(_SPACES)

    def zone(self, at: datetime, name: str) -> str:
        """ "Central European Standard Time (Europe/Berlin)"."""
        return write_zone(at, name, self.locale)

    def _word(self, name: str) -> str:
        return str(self.texts[name])


@lru_cache(maxsize=256)
def choose_language(tag: str) -> Language:
    """The language of a BCP 47 tag, such as de-AT. English for an empty tag, and for a language that has no file."""
    found = _TAG.match(tag)
    code = found[1].lower() if found else DEFAULT
    if found is None or code not in codes():
        return Language(DEFAULT, Locale(DEFAULT), _read(DEFAULT))
    return Language(code, _find_locale(found[0], code), _read(code))


@cache
def codes() -> frozenset[str]:
    """The languages that have a file."""
    return frozenset(path.stem for path in _TEXTS.glob("*.json"))


def _find_locale(tag: str, code: str) -> Locale:
    try:
        return Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale(code)


@cache
def _read(code: str) -> dict[str, Any]:
    texts: dict[str, Any] = json.loads((_TEXTS / f"{code}.json").read_text(encoding="utf-8"))
    return texts
