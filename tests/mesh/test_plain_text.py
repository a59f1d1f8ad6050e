"""Text that people wrote, shown in one line."""

from __future__ import annotations

import pytest

from mesh.plain_text import cut_line, one_line


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("Ma\u202eria\x00\x07", "Maria"),
        ("a\r\n\tb  c\u2028d", "a b c d"),
        ("👩\u200d🏫 नमस्\u200dते", "👩\u200d🏫 नमस्\u200dते"),
        ("\ud800\ufeff\U000e0041", ""),
        ("<b>&amp;", "<b>&amp;"),
    ],
)
def test_text_loses_what_hides_or_turns_it(written: str, told: str) -> None:
    assert one_line(written) == told


def test_a_long_text_is_cut_and_says_so() -> None:
    assert cut_line("Fractions and decimals", 10) == "Fractions…"
    assert cut_line("Fractions", 10) == "Fractions"
