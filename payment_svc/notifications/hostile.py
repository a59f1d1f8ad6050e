"""Text that people wrote, made fit for a mail: names, titles and purposes are hostile."""

from __future__ import annotations

import unicodedata

#: Letters of Persian and of emoji need these two; every other invisible character can steer how text is shown.
_JOINERS = "\u200c\u200d"
_ELLIPSIS = "…"


def one_line(text: str, most: int) -> str:
    """The text in one line of at most so many characters: no control, no direction override, no line end.

    A longer text ends in "…".
    """
    shown = "".join(letter if _is_shown(letter) else " " for letter in text[: 4 * most])
    line = " ".join(shown.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + _ELLIPSIS


def _is_shown(letter: str) -> bool:
    """False for control, format, private, surrogate and unassigned characters, and for line and paragraph separators."""
    category = unicodedata.category(letter)
    return letter in _JOINERS or not (category[0] == "C" or category in ("Zl", "Zp"))
