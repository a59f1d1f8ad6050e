"""The columns, indexes and tables of mesh.row_stamps, for a service's tables.py. Only migrations and tests import them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Identity, Index, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType


class TransactionId(UserDefinedType[int]):
    """PostgreSQL's xid8: the 64-bit id of a transaction, which grows and is never used again."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


ischema_names["xid8"] = TransactionId  # SQLAlchemy: its way to make a type known to who compares schemas


def changed_column() -> Column[int]:
    """The column of a table. Its default stamps an inserted row, the trigger of `stamping` an updated one."""
    return Column("changed", TransactionId, nullable=False, server_default=text("pg_current_xact_id()"))


def changed_index(table: str, key: str = "id") -> Index:
    return Index(f"{table}_changed", "changed", key)


def deleted_row(metadata: MetaData) -> Table:
    """What was deleted of the stamped tables. The triggers of `noting_deletions` insert here."""
    return Table(
        "deleted_row",
        metadata,
        Column("seq", BigInteger, Identity(), primary_key=True),
        Column("about", Text, nullable=False),
        changed_column(),
        changed_index("deleted_row", "seq"),
    )
