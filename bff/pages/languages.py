"""In which language a page speaks, and its texts. Another language is one file in `texts/`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from babel import Locale
from starlette.requests import Request

from mesh.languages import FALLBACK, Texts, find_locale, read_texts
from mesh.locales import MOST_CHARACTERS

#: More than any browser sends.
_MOST_HEADER_CHARACTERS = 500

#: The texts of each language: `TEXTS["de"]["checkout"]["title"]`.
TEXTS: Final = read_texts(Path(__file__).with_name("texts"))


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads a page: the language of its texts, and the locale of its numbers and times."""

    language: str = FALLBACK
    locale: Locale = Locale("en", "US")  # noqa: RUF009  # immutable in use
    #: The IANA zone of the reader's browser, as its script tells it; empty for a page without one.
    timezone: str = ""

    @property
    def tag(self) -> str:
        """The locale as BCP 47 writes it: de-AT."""
        return str(self.locale).replace("_", "-")

    @property
    def direction(self) -> str:
        """`ltr` or `rtl`."""
        return str(self.locale.text_direction)

    def section(self, name: str) -> Texts:
        """The texts of one page."""
        section: Texts = TEXTS[self.language][name]
        return section

    def text(self, key: str, **values: Any) -> str:
        """The text `section.name`, its {places} filled in. `count` chooses between `one`, `other` and the like."""
        section, _, name = key.partition(".")
        return self.choose(self.section(section)[name], **values)

    def choose(self, text: str | Texts, **values: Any) -> str:
        """The text, or the plural form of it that `count` asks for, its {places} filled in."""
        form = text if isinstance(text, str) else text.get(self.locale.plural_form(values["count"]), text["other"])
        return str(form).format(**values)

    def languages(self) -> list[tuple[str, str]]:
        """Every language: its tag, and its own name for itself."""
        return [(tag, (Locale.parse(tag).display_name or tag).capitalize()) for tag in TEXTS]


def reader_of(request: Request) -> Reader:
    """The reader with the language that is asked for, and the zone that a script names in `Time-Zone`."""
    return replace(_language_of(request), timezone=request.headers.get("time-zone", "")[:MOST_CHARACTERS])


def _language_of(request: Request) -> Reader:
    """The reader by `?lang=`, else by Accept-Language (RFC 9110, 12.5.4), else the fallback's."""
    asked = request.query_params.get("lang", "")
    accepted = list(_accepted(request.headers.get("accept-language", "")[:_MOST_HEADER_CHARACTERS]))
    for tag in (asked, *accepted):
        reader = reader_for(tag, accepted)
        if reader is not None:
            return reader
    return Reader()


def reader_for(tag: str, accepted: Sequence[str] = ()) -> Reader | None:
    """The reader of this tag; None when we have no texts for it. A region comes from the accepted tags too."""
    locale = find_locale(tag, TEXTS)
    if locale is None:
        return None
    regional = (other for other in accepted if "-" not in tag and other.lower().startswith(f"{locale.language}-"))
    return Reader(locale.language, find_locale(next(regional, tag), TEXTS) or locale)


def _accepted(header: str) -> Iterator[str]:
    """The tags of the header, the most wanted first."""
    weighed: list[tuple[float, str]] = []
    for part in header.split(","):
        tag, _, weight = part.strip().partition(";q=")
        try:
            quality = float(weight or 1)
        except ValueError:
            quality = 0.0
        if quality > 0:
            weighed.append((quality, tag))
    return (tag for _, tag in sorted(weighed, key=lambda one: -one[0]))
