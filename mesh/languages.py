"""The languages of texts for people, and which of them a language tag asks for. A further language is one file of JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any, Final

from babel import Locale, UnknownLocaleError

#: The language of whoever reads none of ours. A text that another language lacks is told in it.
FALLBACK: Final = "en"
#: What of a BCP 47 tag the locale data knows: language, script and region.
_TAG = re.compile(r"([a-z]{2,3})(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?(?=-|$)", re.ASCII | re.IGNORECASE)

Texts = Mapping[str, Any]


def read_texts(folder: Path) -> dict[str, Texts]:
    """The texts of each language that has a file in the folder: `texts["de"]`."""
    files = {file.stem: json.loads(file.read_bytes()) for file in sorted(folder.glob("*.json"))}
    return {code: _merge(files[FALLBACK], texts) for code, texts in files.items()}


def find_locale(tag: str, codes: Container[str]) -> Locale | None:
    """The locale of a BCP 47 tag, such as de-AT, when its language is one of `codes`; None for any other tag."""
    found = _TAG.match(tag)
    if found is None or found[1].lower() not in codes:
        return None
    try:
        return Locale.parse(found[0], sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale(found[1].lower())


def _merge(base: Texts, over: Texts) -> Texts:
    """The texts over those of the fallback. The forms of a plural are one text."""
    if "other" in over:
        return over
    both = {name: _merge(base[name], over[name]) for name in base.keys() & over.keys() if isinstance(base[name], dict)}
    return {**base, **over, **both}
