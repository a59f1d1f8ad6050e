"""What the audit asks of payment_svc's tables: what has changed, what belongs to given ids, and its mark."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from mesh.database import Database
from mesh.row_stamps import DELETED, ChangedIds, RowStamps, Stamped, list_statements
from mesh.statements import text
from payment_svc.domain import Saga
from payment_svc.store.rows import to_saga

_SAGA_ID = "array[cast(saga_id as text)]"
STAMPED = (
    Stamped("saga", "array[cast(id as text)]"),
    Stamped("payment", _SAGA_ID),
    Stamped("refund", _SAGA_ID),
    Stamped("callback_payment", _SAGA_ID, key_type="text"),
    Stamped("callback_refund", "array[callback_payment_id]"),
    DELETED,
)
CHANGED = list_statements(*STAMPED)
# Every saga of a purchase has the id of what it sells.
_SAGAS_OF = text("""
    select *, clock_timestamp() as loaded_at from saga
    where id = any(cast(:ids as uuid[])) or booking_id = any(cast(:ids as uuid[]))
""")
_GET = text("select mark from audit_mark")
_KEEP = text("""
    insert into audit_mark (mark) values (:mark) on conflict (is_only) do update set mark = excluded.mark
""")


class AuditStore:
    """The statements of the audit."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stamps = RowStamps(database, STAMPED, CHANGED)

    async def list_changed_ids(self, mark: str, token: str, most: int) -> ChangedIds:
        """The ids about which rows have changed since the mark. Raises BadInput."""
        return await self._stamps.list_ids(mark, token, most)

    async def list_sagas_of(self, ids: Sequence[UUID]) -> list[Saga]:
        """The sagas among these ids, and those of purchases among these, in no order."""
        return [to_saga(row) for row in await self._database.rows(_SAGAS_OF, {"ids": list(ids)})]

    async def get_mark(self) -> str:
        """What the last audit has kept; empty when there is nothing."""
        rows = await self._database.rows(_GET, {})
        return str(rows[0].mark) if rows else ""

    async def keep_mark(self, mark: str) -> None:
        await self._database.rows(_KEEP, {"mark": mark})
