"""What a Database sends to its server, as the loggers of asyncpg tell it; and how the server would run it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mesh.database import Database
from mesh.statements import Statement


@dataclass
class Sent:
    """Statements without BEGIN, COMMIT and ROLLBACK, and the SQLSTATEs of the errors that they got, both in order.

    On a new connection, asyncpg asks about types. Those questions are left out.
    """

    statements: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def note(self, logged: Any) -> None:
        if logged.query.rstrip(";") not in ("BEGIN", "COMMIT", "ROLLBACK") and "typeinfo_tree" not in logged.query:
            self.statements.append(logged.query)
        if logged.exception is not None:
            self.errors.append(getattr(logged.exception, "sqlstate", "") or type(logged.exception).__name__)


@contextlib.contextmanager
def sent_by(database: Database) -> Iterator[Sent]:
    """What the database sends within this block."""
    sent, pool = Sent(), database.pool
    open_one, listened = pool._open, [connection.raw for connection in pool.idle]
    for raw in listened:
        raw.add_query_logger(sent.note)

    async def open_and_listen() -> Any:
        raw = await open_one()
        raw.add_query_logger(sent.note)
        listened.append(raw)
        return raw

    pool._open = open_and_listen
    try:
        yield sent
    finally:
        pool._open = open_one
        for raw in listened:
            raw.remove_query_logger(sent.note)


async def explain(connection: Any, statement: Statement, values: Mapping[str, Any]) -> str:
    """The plan of a statement where PostgreSQL avoids scans of whole tables if it can. Other values are left out."""
    await connection.execute("set enable_seqscan = off")
    given = [values[name] for name in statement.names]
    return "\n".join(row[0] for row in await connection.fetch(f"explain {statement.sql}", *given))
