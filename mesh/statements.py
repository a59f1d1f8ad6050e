"""SQL statements: PostgreSQL's own, with `:name` for a value. `::` stays a cast, and `\\:` is a colon.

asyncpg numbers its values, `$1` to `$n`; a name that stands twice is one value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_VALUE = re.compile(r"(?<![:\w\\]):(\w+)(?!:(?!:)|\w)")
_ESCAPED = re.compile(r"\\(:\w*)(?![:\w])")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as asyncpg takes it, and the names of its values in their order."""

    sql: str
    names: tuple[str, ...]


def text(sql: str) -> Statement:
    """The statement that this text means."""
    numbers: dict[str, int] = {}
    numbered = _VALUE.sub(lambda found: f"${numbers.setdefault(found[1], len(numbers) + 1)}", sql)
    return Statement(_ESCAPED.sub(r"\1", numbered), tuple(numbers))
