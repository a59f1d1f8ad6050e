"""The launcher's output: every line begins with the name of the process that wrote it, in colour on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TextIO

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
_WIDTH = 13


class Console:
    """Writes whole lines. When the reader has gone it writes nothing, and raises nothing."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out: TextIO | None = out or sys.stdout
        self._colours: dict[str, int] = {}
        self._coloured = (out or sys.stdout).isatty() and "NO_COLOR" not in os.environ
        self._unfinished: dict[str, bytes] = {}

    def say(self, name: str, line: str) -> None:
        """Print one line of `name`."""
        self.plain(f"{self._label(name)} {line}")

    def plain(self, line: str) -> None:
        """Print one line without a name."""
        if self._out is None:
            return
        try:
            print(line, file=self._out, flush=True)
        except (OSError, ValueError):
            self._out = None  # the reader has gone; the mesh must go on until somebody stops it

    def pass_on(self, name: str, chunk: bytes, *, end: bool = False) -> None:
        """Print what a process wrote. An unfinished last line waits for its rest, or for `end`."""
        *lines, rest = (self._unfinished.pop(name, b"") + chunk).split(b"\n")
        if rest and (end or len(rest) > 65536):
            lines, rest = [*lines, rest], b""
        for line in lines:
            self.say(name, line.decode(errors="replace").rstrip("\r"))
        if rest:
            self._unfinished[name] = rest

    def table(self, rows: Mapping[str, str]) -> None:
        """Print names and their values in two columns."""
        width = max(map(len, rows))
        for name, value in rows.items():
            self.plain(f"  {name.ljust(width)}  {value}")

    def _label(self, name: str) -> str:
        text = f"{name.ljust(_WIDTH)}|"
        if not self._coloured:
            return text
        colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
        return f"\x1b[{colour}m{text}\x1b[0m"
