"""Find unexpected errors in a mesh's log. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

_CRASH, _ENTRY = re.compile(r"\[error +\] \w+_crashed"), re.compile(r"\d\d:\d\d:\d\d\.\d+ \[")
#: How the last line of an expected error begins, such as a database that is away.
_EXPECTED = "mesh.errors."


def find_crashes(log: Iterable[str]) -> list[str]:
    """One line for each crash in the log that did not end with an expected error."""
    open_crashes: dict[str, list[str]] = {}
    found: list[str] = []
    for line in log:
        program, _, said = line.rstrip().partition("| ")
        if _ENTRY.match(said) and program[9:] in open_crashes:
            found += _describe(open_crashes.pop(program[9:]))
        if _CRASH.search(said):
            open_crashes[program[9:]] = [line.rstrip()]
        elif program[9:] in open_crashes:
            open_crashes[program[9:]].append(said)
    return found + [line for crash in open_crashes.values() for line in _describe(crash)]


def _describe(crash: list[str]) -> list[str]:
    return [] if crash[-1].startswith(_EXPECTED) else [f"{crash[0]} {crash[-1]}"[:400]]
