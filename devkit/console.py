"""The launcher's voice: every line with the name of who said it in front, in colour on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TextIO

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
_WIDTH = 13


class Console:
    """Writes whole lines; goes silent, rather than failing, when nobody reads any more."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out: TextIO | None = out or sys.stdout
        self._colours: dict[str, int] = {}
        self._coloured = (out or sys.stdout).isatty() and "NO_COLOR" not in os.environ
        self._rests: dict[str, bytes] = {}

    def say(self, name: str, line: str) -> None:
        """One line by `name`."""
        self.plain(f"{self._label(name)} {line}")

    def plain(self, line: str) -> None:
        """One line by itself."""
        if self._out is None:
            return
        try:
            print(line, file=self._out, flush=True)
        except (OSError, ValueError):
            self._out = None  # the reader has gone; whoever stops us still can

    def pass_on(self, name: str, chunk: bytes, *, end: bool = False) -> None:
        """What a process has written, of which the last line may be unfinished."""
        *lines, rest = (self._rests.pop(name, b"") + chunk).split(b"\n")
        if rest and (end or len(rest) > 65536):
            lines, rest = [*lines, rest], b""
        for line in lines:
            self.say(name, line.decode(errors="replace").rstrip("\r"))
        if rest:
            self._rests[name] = rest

    def table(self, rows: Mapping[str, str]) -> None:
        """Names and what they stand for, aligned."""
        width = max(map(len, rows))
        for name, value in rows.items():
            self.plain(f"  {name.ljust(width)}  {value}")

    def _label(self, name: str) -> str:
        text = f"{name.ljust(_WIDTH)}|"
        if not self._coloured:
            return text
        colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
        return f"\x1b[{colour}m{text}\x1b[0m"
