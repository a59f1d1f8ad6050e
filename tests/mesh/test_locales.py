"""Time zones and languages: what is one, and what only looks like one."""

from __future__ import annotations

import pytest

from mesh import locales
from mesh.errors import BadInput


@pytest.mark.parametrize("name", ["", "UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"])
def test_a_zone_is_read_as_it_is(name: str) -> None:
    assert locales.timezone(name, "timezone") == name


@pytest.mark.parametrize(
    "name", ["CET+1", "europe/berlin", "Europe/Berlin ", "+01:00", "localtime", "Factory", "../../etc/passwd", "a\0b"]
)
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(BadInput) as refused:
        locales.timezone(name, "timezone")
    assert refused.value.field == "timezone"


@pytest.mark.parametrize(
    "tag",
    [
        "",
        "de",
        "de-AT",
        "DE-at",
        "zh-Hans-CN",
        "es-419",
        "sl-rozaj-biske",
        "de-1996",
        "en-US-u-hc-h12",
        "en-x-ours",
        "fil",
    ],
)
def test_a_language_is_read_as_it_is(tag: str) -> None:
    assert locales.locale(tag, "locale") == tag


@pytest.mark.parametrize(
    "tag",
    ["d", "de_AT", "de-", "-de", "de AT", "de-AT-u", "123", "en-x", "de-ÄT", "de\n", "a" * 9, "en" + "-u-abc" * 20],
)
def test_what_is_no_language_is_refused(tag: str) -> None:
    with pytest.raises(BadInput) as refused:
        locales.locale(tag, "locale")
    assert refused.value.field == "locale"
