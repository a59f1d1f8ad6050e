"""One sale that was really sold, as lines of COPY: what is the sale's own, and when it was, are placeholders.

Nothing here knows a table. The lines are read from the databases, every column of them but identities. In the lines, each
UUID, each id of the provider's and each time becomes a placeholder. So a made sale has the shape of a sold one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

_UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_OBJECT = r"\b(?:pi|ch|evt|txn|pm|req|re)_[A-Za-z0-9]{12,}"
#: A time up to its minute, as PostgreSQL prints it in UTC and as JSON has it.
_MINUTE = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d"
#: Unix seconds of this century's third and fourth decade.
_SECONDS = r"\b(?:1[7-9]|2[01])\d{8}\b"
#: The id of a request, alone in its column.
_REQUEST = r"(?<=\t)[0-9a-f]{16}(?=\t)"
_TOKEN = re.compile(f"({_UUID}|{_OBJECT}|{_MINUTE}|{_SECONDS}|{_REQUEST})")
_GOLDEN = 0x9E3779B97F4A7C15
_COLUMNS = """
    select column_name from information_schema.columns
    where table_schema = 'public' and table_name = $1 and is_identity = 'NO' and is_generated = 'NEVER'
    order by ordinal_position
"""
_TABLES = "select tablename from pg_tables where schemaname = 'public' and tablename <> 'alembic_version' order by 1"
Make = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Line:
    """A row of COPY in which tokens are left out: `pattern % values`."""

    table: str
    pattern: str
    tokens: tuple[str, ...]

    @classmethod
    def of(cls, table: str, row: str) -> Line:
        parts = _TOKEN.split(row)
        pattern = "%s".join(part.replace("%", "%%") for part in parts[::2])
        return cls(table, pattern, tuple(parts[1::2]))

    def fill(self, values: Mapping[str, str]) -> str:
        return self.pattern % tuple(values[token] for token in self.tokens)


@dataclass(frozen=True, slots=True)
class Rows:
    """The lines of one database, and the columns of its tables in the lines' order."""

    columns: dict[str, list[str]]
    lines: tuple[Line, ...]

    def naming(self, *ids: str) -> tuple[Line, ...]:
        """The lines that name one of these ids."""
        return tuple(line for line in self.lines if not set(ids).isdisjoint(line.tokens))


async def read_rows(connection: asyncpg.Connection) -> Rows:
    """Every row of a database. It should hold few."""
    await connection.execute("set timezone = 'UTC'")
    columns, lines = {}, []
    for (table,) in await connection.fetch(_TABLES):
        columns[table] = [name for (name,) in await connection.fetch(_COLUMNS, table)]
        chunks: list[bytes] = []

        async def keep(chunk: bytes, chunks: list[bytes] = chunks) -> None:
            chunks.append(chunk)

        await connection.copy_from_table(table, columns=columns[table], output=keep)
        lines += [Line.of(table, row) for row in b"".join(chunks).decode().splitlines()]
    return Rows(columns, tuple(lines))


def is_minute(token: str) -> bool:
    return re.fullmatch(_MINUTE, token) is not None


def is_seconds(token: str) -> bool:
    return re.fullmatch(_SECONDS, token) is not None


class Tokens:
    """What a token becomes in the sale of a number. One of these for all databases: the same id is the same everywhere."""

    def __init__(self, prefix: int, given: Mapping[str, Make]) -> None:
        self._prefix, self._makers = prefix, dict(given)

    def values(self, tokens: Iterable[str], number: int, minutes_ago: int) -> dict[str, str]:
        """The value of each token. Times are moved into the past by so many minutes."""
        moved = timedelta(minutes=minutes_ago)
        return {token: self._value(token, number, moved) for token in tokens}

    def _value(self, token: str, number: int, moved: timedelta) -> str:
        if is_minute(token):
            return _format_minute(datetime.fromisoformat(token) - moved, token[10])
        if is_seconds(token):
            return str(int(token) - int(moved.total_seconds()))
        maker = self._makers.get(token)
        if maker is None:
            maker = self._makers[token] = _maker(token, self._prefix + len(self._makers))
        return maker(number)


def _format_minute(at: datetime, between: str) -> str:
    return at.isoformat(between, "minutes")


def _maker(token: str, kind: int) -> Make:
    """Ids that look random, so that an index grows as it does in life. No two of them are equal."""
    if "_" in token:
        name, _, _ = token.partition("_")
        return lambda number: f"{name}_{kind:02x}{_mixed(number, kind) >> 32:08x}{number:014x}"
    if len(token) == 16:
        return lambda number: f"{_mixed(number, kind):016x}"
    return lambda number: made_uuid(kind, number)


def made_uuid(kind: int, number: int) -> str:
    mixed = _mixed(number, kind)
    return f"{mixed >> 32:08x}-{mixed >> 16 & 0xFFFF:04x}-{mixed & 0xFFFF:04x}-{kind:04x}-{number:012x}"


def _mixed(number: int, kind: int) -> int:
    return (number + 1 + (kind << 40)) * _GOLDEN & 0xFFFFFFFFFFFFFFFF


def over(columns: Sequence[str], line: Line, end: str) -> Line:
    """A session's line after its lesson: COMPLETED. `end` is when the lesson ends, to the minute."""
    names = {name: place for place, name in enumerate(columns)}
    fields = (line.pattern % line.tokens).split("\t")
    fields[names["status"]], fields[names["completed_at"]] = "COMPLETED", f"{end}:01.000001+00"
    return Line.of(line.table, "\t".join(fields))


def end_of_lesson(columns: Sequence[str], line: Line) -> str:
    """When the lesson of a session's line ends, to the minute."""
    fields = dict(zip(columns, (line.pattern % line.tokens).split("\t"), strict=True))
    end = datetime.fromisoformat(fields["scheduled_at"]) + timedelta(minutes=int(fields["duration_minutes"]))
    return _format_minute(end.replace(tzinfo=None), " ")
