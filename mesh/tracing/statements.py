"""Spans of SQL statements: their text, which has no values, inside of a span that is open already.

Statements of background polls belong to no span, and are not traced.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from mesh import tracing

#: The characters of a statement that are kept.
MOST_CHARACTERS = 2000


def statement_span(statement: str, database: str) -> AbstractContextManager[None]:
    """Within this block, the statement is sent to the database and answered."""
    words = " ".join(statement.split())
    attributes = {
        "db.system.name": "postgresql",
        "db.namespace": database,
        "db.query.text": words[:MOST_CHARACTERS],
    }
    return tracing.span(f"{words.partition(' ')[0].upper()} {database}", "client", attributes)
