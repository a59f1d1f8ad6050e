"""In which language a page speaks, and its texts. Another language is one file in `texts/`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from babel import Locale, UnknownLocaleError
from starlette.requests import Request

#: The language of whoever reads none of ours. A text that another language lacks is told in it.
FALLBACK: Final = "en"
#: More than any browser sends.
_MOST_HEADER_CHARACTERS = 500
_TAG = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8}){0,3}", re.ASCII | re.IGNORECASE)

Texts = Mapping[str, Any]


def _merged(base: Texts, over: Texts) -> Texts:
    """The texts over those of the fallback, section by section."""
    return {section: {**base.get(section, {}), **over.get(section, {})} for section in base}


def _load() -> dict[str, Texts]:
    files = {
        file.stem: json.loads(file.read_bytes()) for file in Path(__file__).parent.joinpath("texts").glob("*.json")
    }
    return {language: _merged(files[FALLBACK], texts) for language, texts in sorted(files.items())}


#: The texts of each language: `TEXTS["de"]["checkout"]["title"]`.
TEXTS: Final = _load()


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads a page: the language of its texts, and the locale of its numbers and times."""

    language: str = FALLBACK
    locale: Locale = Locale("en", "US")  # noqa: RUF009  # immutable in use

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
    """The reader by `?lang=`, else by Accept-Language (RFC 9110, 12.5.4), else the fallback's."""
    asked = request.query_params.get("lang", "")
    accepted = list(_accepted(request.headers.get("accept-language", "")[:_MOST_HEADER_CHARACTERS]))
    for tag in (asked, *accepted):
        reader = reader_for(tag, accepted)
        if reader is not None:
            return reader
    return Reader()


def reader_for(tag: str, accepted: list[str] | None = None) -> Reader | None:
    """The reader of this tag; None when we have no texts for it. A region comes from the accepted tags too."""
    if not _TAG.fullmatch(tag):
        return None
    language = tag.partition("-")[0].lower()
    if language not in TEXTS:
        return None
    regional = (other for other in accepted or () if "-" not in tag and other.lower().startswith(f"{language}-"))
    return Reader(language, _locale(next(regional, tag), language))


def _locale(tag: str, language: str) -> Locale:
    try:
        return Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale.parse("en_US" if language == FALLBACK else language)


def _accepted(header: str) -> Iterator[str]:
    """The tags of the header, the most wanted first."""
    weighed: list[tuple[float, str]] = []
    for part in header.split(","):
        tag, _, weight = part.strip().partition(";q=")
        try:
            quality = float(weight or 1)
        except ValueError:
            quality = 0.0
        if quality > 0 and _TAG.fullmatch(tag):
            weighed.append((quality, tag))
    return (tag for _, tag in sorted(weighed, key=lambda one: -one[0]))
