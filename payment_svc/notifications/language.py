"""The languages of mails: their words, and how they write dates and money. A further language is one file in texts/."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from babel import Locale

from mesh.languages import FALLBACK, Texts, find_locale, read_texts
from mesh.localized import write_date, write_money, write_short_date, write_time, write_zone
from mesh.money import Money

#: The texts of each language.
TEXTS: Final = read_texts(Path(__file__).with_name("texts"))
#: Spaces that only a typesetter tells apart. In the plain text of a mail some programs show a box for them.
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " "})


@dataclass(frozen=True, slots=True)
class Language:
    """One language of mails, as one region writes it."""

    code: str
    locale: Locale
    texts: Texts = field(repr=False)

    def money(self, value: Money) -> str:
        """ "$50.00", "50,00 €"."""
        return write_money(value, self.locale).translate(_SPACES)

    def date(self, at: datetime) -> str:
        """ "Tuesday, November 24, 2026"."""
        return write_date(at, self.locale).translate(_SPACES)

    def moment(self, at: datetime) -> str:
        """ "Tue, Nov 24, 2026, 11:00 AM", short enough for a subject."""
        day = write_short_date(at, self.locale).translate(_SPACES)
        return self._word("moment").format(date=day, time=self.time(at))

    def span(self, start: datetime, end: datetime) -> str:
        """ "11:00 AM – 12:00 PM"."""
        return self._word("span").format(start=self.time(start), end=self.time(end))

    def time(self, at: datetime) -> str:
        return write_time(at, self.locale).translate(_SPACES)

    def zone(self, at: datetime, name: str) -> str:
        """ "Central European Standard Time (Europe/Berlin)"."""
        return write_zone(at, name, self.locale)

    def _word(self, name: str) -> str:
        return str(self.texts[name])


@lru_cache(maxsize=256)
def choose_language(tag: str) -> Language:
    """The language of a BCP 47 tag, such as de-AT. English for an empty tag, and for a language that has no file."""
    locale = find_locale(tag, TEXTS) or Locale(FALLBACK)
    return Language(locale.language, locale, TEXTS[locale.language])
