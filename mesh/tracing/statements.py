"""Spans of SQL statements: their text, which has no values, inside of a span that is open already.

Statements of background polls belong to no span, and are not traced.
"""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager

from mesh import tracing

#: The characters of a statement that are kept.
MOST_CHARACTERS = 2000
_NO_SPAN: AbstractContextManager[None] = contextlib.nullcontext()


def statement_span(statement: str, database: str) -> AbstractContextManager[None]:
    """Within this block, the statement is sent to the database and answered."""
    if not tracing.is_recording():
        return _NO_SPAN
    words = " ".join(statement.split())
    text = {"db.query.text": words[:MOST_CHARACTERS]}
    return tracing.span(f"{words.partition(' ')[0].upper()} {database}", "client", _about(database) | text)


def work_span(name: str, database: str) -> AbstractContextManager[None]:
    """Within this block, something is done before a statement can be sent: "connect", "wait for a connection"."""
    if not tracing.is_recording():
        return _NO_SPAN
    return tracing.span(f"{name}: {database}", "client", _about(database))


def _about(database: str) -> dict[str, tracing.Value]:
    return {"db.system.name": "postgresql", "db.namespace": database}
