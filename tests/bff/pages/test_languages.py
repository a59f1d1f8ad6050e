"""Which language a reader gets, and that every language has every text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import Request

from bff.pages.languages import FALLBACK, TEXTS, Reader, reader_of


def reading(lang: str = "", accepted: str = "") -> Reader:
    headers = [(b"accept-language", accepted.encode())] if accepted else []
    return reader_of(Request({"type": "http", "headers": headers, "query_string": f"lang={lang}".encode()}))


@pytest.mark.parametrize(
    ("lang", "accepted", "language", "tag"),
    [
        ("", "", "en", "en-US"),
        ("", "de", "de", "de"),
        ("", "de-AT,de;q=0.9,en;q=0.8", "de", "de-AT"),
        ("", "fr;q=0.9, en-GB;q=0.8, de;q=0.3", "en", "en-GB"),
        ("", "de;q=0, en", "en", "en"),
        ("de", "en-GB,en", "de", "de"),
        ("de", "en, de-CH;q=0.1", "de", "de-CH"),
        ("xx", "de", "de", "de"),
        ("", "de-ZZ-nonsense", "de", "de-DE"),
        ("../../etc", "*", "en", "en-US"),
        ("", "de;q=much,,;;,%00", "en", "en-US"),
        ("", "x" * 100_000, "en", "en-US"),
    ],
)
def test_the_language_asked_for_then_those_that_the_browser_names(
    lang: str, accepted: str, language: str, tag: str
) -> None:
    reader = reading(lang, accepted)
    assert (reader.language, reader.tag) == (language, tag)


def keys(texts: Any, path: str = "") -> Iterator[tuple[str, frozenset[str]]]:
    """Each text's path and its places. The forms of a plural are one text."""
    if isinstance(texts, dict) and "other" not in texts:
        for name, part in texts.items():
            yield from keys(part, f"{path}.{name}")
    else:
        forms = texts.values() if isinstance(texts, dict) else [texts]
        yield path, frozenset(place for form in forms for place in re.findall(r"\{(\w*)\}", form))


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_every_language_says_everything_with_the_same_places(language: str, raw_texts: dict[str, Any]) -> None:
    assert dict(keys(raw_texts[language])) == dict(keys(raw_texts[FALLBACK]))


def test_a_plural_follows_the_number() -> None:
    reader = reading("en")
    forms = {"one": "{count} attempt", "other": "{count} attempts"}
    told = reader.choose(forms, count=1), reader.choose(forms, count=2)
    assert told == ("1 attempt", "2 attempts")
