"""A row that was really made, as an INSERT of rows like it: other ids, other people, an earlier time.

Nothing here knows a table. A column keeps its value, unless it holds an id or a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from bench.growth.people import made_sql

#: What the database itself sets anew.
_COLUMNS = """
    select column_name, udt_name from information_schema.columns
    where table_schema = 'public' and table_name = $1 and is_identity = 'NO' and is_generated = 'NEVER'
        and column_name <> 'changed'
    order by ordinal_position
"""
_TABLES = "select tablename from pg_tables where schemaname = 'public' and tablename <> 'alembic_version' order by 1"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: its values and their types, by column."""

    table: str
    values: Mapping[str, Any]
    types: Mapping[str, str]

    def names(self, *ids: str) -> bool:
        """True when one of these ids stands in it."""
        texts = [str(value) for value in self.values.values()]
        return any(each in text for each in ids for text in texts)


async def read_rows(connection: asyncpg.Connection) -> list[Row]:
    """Every row of a database. It should hold few."""
    rows = []
    for (table,) in await connection.fetch(_TABLES):
        types = dict(await connection.fetch(_COLUMNS, table))
        records = await connection.fetch(f'select {", ".join(types)} from "{table}"')  # noqa: S608 - names of the schema
        rows += [Row(table, dict(record), types) for record in records]
    return rows


def insert_like(row: Row, source: str, ids: Mapping[str, str], columns: Mapping[str, str]) -> str:
    """The INSERT of a row like this one for each row of `source`, which has `n` and `ago`.

    `ids` has the SQL for each id of the sample. `columns` has the SQL of columns that follow another rule.
    """
    names = list(row.values)
    values = [columns.get(name) or _like(f"{row.table}.{name}", row.values[name], ids) for name in names]
    typed = (f"cast({value} as {row.types[name]})" for name, value in zip(names, values, strict=True))
    return f'insert into "{row.table}" ({", ".join(names)}) select {", ".join(typed)} from {source}'  # noqa: S608 - ours


def _like(column: str, value: Any, ids: Mapping[str, str]) -> str:
    match value:
        case None:
            return "null"
        case bool() | int():
            return str(value).lower()
        case UUID():
            return ids.get(str(value)) or made_sql(str(value))  # the same one in every table
        case datetime():
            return f"timestamptz '{value.isoformat()}' - ago"
        case asyncpg.Range():
            return f"tstzrange(timestamptz '{value.lower.isoformat()}' - ago, timestamptz '{value.upper.isoformat()}' - ago)"
        case bytes():
            return f"sha256(convert_to('{column} ' || n, 'utf8'))"
        case str():
            return _replace_ids(value, ids)
    raise TypeError(f"{column} is a {type(value).__name__}")


def _replace_ids(text: str, ids: Mapping[str, str]) -> str:
    """The text with other ids. What stands between two ids stays as it is."""
    parts: Sequence[tuple[str, bool]] = [(text, False)]
    for id_ in ids:
        parts = [
            piece for part, is_sql in parts for piece in ([(part, True)] if is_sql else _split(part, id_, ids[id_]))
        ]
    spelled = [part if is_sql else "'" + part.replace("'", "''") + "'" for part, is_sql in parts if part]
    return " || ".join(spelled) or "''"


def _split(part: str, id_: str, sql: str) -> list[tuple[str, bool]]:
    pieces: list[tuple[str, bool]] = []
    for piece in part.split(id_):
        pieces += [(f"cast({sql} as text)", True), (piece, False)] if pieces else [(piece, False)]
    return pieces
