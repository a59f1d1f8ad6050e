"""The launcher's output: every line begins with the name of the process that wrote it, in colour on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TextIO

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
_WIDTH = 13
#: Waking up for each line of a busy mesh takes CPU that the mesh needs.
_PAUSE = 0.1


class Console:
    """Writes whole lines. When the reader has gone it writes nothing, and raises nothing."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out: TextIO | None = out or sys.stdout
        self._colours: dict[str, int] = {}
        is_terminal = (out or sys.stdout).isatty()
        self._coloured = is_terminal and "NO_COLOR" not in os.environ
        #: Seconds in which what a process writes is gathered. A person at a terminal sees each line when it is written.
        self.pause = 0.0 if is_terminal else _PAUSE
        self._unfinished: dict[str, bytes] = {}

    def say(self, name: str, *lines: str) -> None:
        """Print lines of `name`."""
        label = self._label(name)
        self.plain(*(f"{label} {line}" for line in lines))

    def plain(self, *lines: str) -> None:
        """Print lines without a name, by one write."""
        if self._out is None:
            return
        try:
            print("\n".join(lines), file=self._out, flush=True)
        except (OSError, ValueError):
            self._out = None  # the reader has gone; the mesh must go on until somebody stops it

    def pass_on(self, name: str, chunk: bytes, *, end: bool = False) -> None:
        """Print what a process wrote. An unfinished last line waits for its rest, or for `end`."""
        *lines, rest = (self._unfinished.pop(name, b"") + chunk).split(b"\n")
        if rest and (end or len(rest) > 65536):
            lines, rest = [*lines, rest], b""
        if lines:
            self.say(name, *(line.decode(errors="replace").rstrip("\r") for line in lines))
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
