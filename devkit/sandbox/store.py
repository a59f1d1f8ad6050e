"""The sandbox's state: JSON objects in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from devkit.sandbox.wire.errors import Json

SCHEMA = """
create table if not exists object (
    seq integer primary key autoincrement, id text not null unique, kind text not null, created integer not null,
    payment_intent text, charge text, type text, body text not null);
create index if not exists object_created on object (kind, created, seq);
create index if not exists object_intent on object (payment_intent, kind, seq);
create index if not exists object_charge on object (charge, kind, seq);
drop index if exists object_kind;
create table if not exists kept_answer (
    key text primary key, path text not null, params text not null, status integer not null, body text not null,
    request_id text not null, at real not null);
create table if not exists fault (
    seq integer primary key autoincrement, method text not null, path text not null, fault text not null,
    times integer not null, delay_ms integer not null);
create table if not exists outbox (
    seq integer primary key autoincrement, event text not null, attempt integer not null default 0, due real not null,
    lane text not null default '', forced integer not null default 0);
create table if not exists attempt (
    seq integer primary key autoincrement, event text not null, status integer not null, at real not null);
create table if not exists setting (name text primary key, value text not null);
"""
TABLES = ("object", "kept_answer", "fault", "outbox", "attempt", "setting")


class Store:
    """Objects by kind and id, in the order of their times. Other modules use their own tables through `execute`.

    With synchronous=OFF a commit survives the death of this process, which is enough here, but not a power cut.
    """

    def __init__(self, path: Path | str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=5)
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = off")
        self._connection.executescript(SCHEMA)

    def close(self) -> None:
        self._connection.close()

    def execute(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        return self._connection.execute(sql, values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the statements inside as one transaction. Never await inside, because the connection is shared."""
        self.execute("begin")
        try:
            yield
        except BaseException:
            self.execute("rollback")
            raise
        self.execute("commit")

    def put(self, body: Json) -> None:
        """Insert the object, or replace it and keep its position. Its kind is its own `object` field."""
        self.execute(
            "insert into object (id, kind, created, payment_intent, charge, type, body) values (?, ?, ?, ?, ?, ?, ?) "
            "on conflict (id) do update set body = excluded.body",
            (
                body["id"],
                body["object"],
                body["created"],
                body.get("payment_intent"),
                body.get("charge"),
                body.get("type"),
                json.dumps(body, separators=(",", ":")),
            ),
        )

    def set_field(self, identifier: str, name: str, value: int) -> None:
        """Change one field of a stored object, if there is one."""
        self.execute("update object set body = json_set(body, ?, ?) where id = ?", (f"$.{name}", value, identifier))

    def find(self, kind: str, identifier: str) -> Json | None:
        text = self.find_text(kind, identifier)
        return json.loads(text) if text else None

    def find_text(self, kind: str, identifier: str) -> str | None:
        """The object as JSON."""
        row = self.execute("select body from object where id = ? and kind = ?", (identifier, kind)).fetchone()
        return row[0] if row else None

    def position(self, kind: str, identifier: str) -> tuple[int, int] | None:
        """The object's `created` and `seq`: its position in the order of a list."""
        row = self.execute("select created, seq from object where id = ? and kind = ?", (identifier, kind)).fetchone()
        return (int(row[0]), int(row[1])) if row else None

    def select(self, where: str, values: Sequence[Any], *, newest: bool = True, limit: int = -1) -> list[Json]:
        """The objects that match an SQL condition, newest or oldest first. Limit -1 means that there is none."""
        order = "desc" if newest else "asc"
        sql = f"select body from object where {where} order by created {order}, seq {order} limit ?"  # noqa: S608 - ours
        return [json.loads(row[0]) for row in self.execute(sql, (*values, limit))]

    def clear(self) -> None:
        """Forget everything. Positions are not reused, so a late write about an old object finds nothing."""
        with self.transaction():
            for table in TABLES:
                self.execute(f"delete from {table}")  # noqa: S608 - names are ours
