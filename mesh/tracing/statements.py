"""Spans of SQL statements: their text, which has no values, inside of a span that is open already.

Statements of background polls belong to no span, and are not traced.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from mesh import tracing

#: The characters of a statement that are kept.
MOST_CHARACTERS = 2000
_KEY = "tutormesh_span"


def trace_statements(engine: AsyncEngine, database: str) -> None:
    """Trace the statements of an engine, from now on. While nothing is traced, that is two short calls each."""

    def begin(connection: Any, _: Any, statement: str, *__: Any) -> None:
        if not tracing.is_recording():
            return
        words = " ".join(statement.split())
        attributes = {
            "db.system.name": "postgresql",
            "db.namespace": database,
            "db.query.text": words[:MOST_CHARACTERS],
        }
        span = tracing.span(f"{words.partition(' ')[0].upper()} {database}", "client", attributes)
        span.__enter__()
        connection.info[_KEY] = span

    def end(connection: Any, *_: Any) -> None:
        span = connection.info.pop(_KEY, None)
        if span is not None:
            span.__exit__(None, None, None)

    def fail(context: Any) -> None:
        span = context.connection.info.pop(_KEY, None) if context.connection is not None else None
        if span is not None:
            tracing.fail(context.original_exception)
            span.__exit__(None, None, None)

    event.listen(engine.sync_engine, "before_cursor_execute", begin)
    event.listen(engine.sync_engine, "after_cursor_execute", end)
    event.listen(engine.sync_engine, "handle_error", fail)
