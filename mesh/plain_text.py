"""Text that people wrote, made fit to be shown: names, titles and purposes are hostile."""

from __future__ import annotations

import unicodedata

#: Letters of Persian and of emoji need these two. Every other invisible character can steer how text is shown.
_JOINERS = "\u200c\u200d"


def one_line(text: str) -> str:
    """The text in one line: no control, no direction override, no line end. Runs of spaces are one space."""
    return " ".join("".join(map(_show, text)).split())


def cut_line(text: str, most: int) -> str:
    """The same, of at most so many characters. A longer text ends in "…"."""
    line = one_line(text[: 4 * most])
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def _show(letter: str) -> str:
    """The letter; a space for a control or a line's end; nothing for what is invisible otherwise (Unicode, 4.5)."""
    category = unicodedata.category(letter)
    if category in ("Cc", "Zl", "Zp"):
        return " "
    return "" if category[0] == "C" and letter not in _JOINERS else letter
