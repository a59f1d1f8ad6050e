"""What a mesh's log says of errors that nobody foresaw. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

_CRASH, _ENTRY = re.compile(r"\[error +\] \w+_crashed"), re.compile(r"\d\d:\d\d:\d\d\.\d+ \[")
#: What a traceback ends with when the mesh has a word for what happened, such as a database that is away.
_FORESEEN = "mesh.errors."


def unforeseen(log: Iterable[str]) -> list[str]:
    """Crashes in the log of a mesh, with the error that each ended with, but for those the mesh has a word for."""
    open_crashes: dict[str, list[str]] = {}
    found: list[str] = []
    for line in log:
        program, _, said = line.rstrip().partition("| ")
        if _ENTRY.match(said) and program[9:] in open_crashes:
            found += _told(open_crashes.pop(program[9:]))
        if _CRASH.search(said):
            open_crashes[program[9:]] = [line.rstrip()]
        elif program[9:] in open_crashes:
            open_crashes[program[9:]].append(said)
    return found + [told for crash in open_crashes.values() for told in _told(crash)]


def _told(crash: list[str]) -> list[str]:
    return [] if crash[-1].startswith(_FORESEEN) else [f"{crash[0]} {crash[-1]}"[:400]]
