"""Payments in PostgreSQL. They are written by the saga's own moves (store/sagas.py); late money is written here."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from mesh.database import Database
from payment_svc.domain import Paid, Payment
from payment_svc.store.rows import to_payment, to_refund

_SELECT = """
    select p.*, coalesce(
        (select sum(r.amount_minor) from refund r
         where r.payment_intent_id = p.payment_intent_id and r.status <> 'FAILED'), 0) as refunded_minor
    from payment p
"""
_GET = text(_SELECT + "where p.id = :id")
_HISTORY = text(_SELECT + "where p.student_id = :student order by p.created_at desc, p.id desc limit :most")
_HISTORY_AFTER = text(
    _SELECT
    + "where p.student_id = :student and (p.created_at, p.id) < (:at, :row)"
    + " order by p.created_at desc, p.id desc limit :most"
)
_ALL = text(_SELECT + "where (cast(:after as uuid) is null or p.id > :after) order by p.id limit :most")
_REFUNDS = text("select * from refund where payment_id = any(:ids) order by created_at, id")
_LATE = text("""
    update payment set status = 'SUCCEEDED', received_minor = :received
    where payment_intent_id = :intent and status <> 'SUCCEEDED'
""")


class PaymentStore:
    """Reads for everybody; one write for money that arrives after the end."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, payment_id: UUID) -> Payment | None:
        rows = await self._database.rows(_GET, {"id": payment_id})
        return to_payment(rows[0]) if rows else None

    async def history(self, student_id: UUID, after: tuple[datetime, UUID] | None, most: int) -> list[Payment]:
        """What a student paid, newest first, behind a place."""
        values: dict[str, Any] = {"student": student_id, "most": most}
        if after is None:
            return [to_payment(row) for row in await self._database.rows(_HISTORY, values)]
        return [
            to_payment(row)
            for row in await self._database.rows(_HISTORY_AFTER, {**values, "at": after[0], "row": after[1]})
        ]

    async def everybodys(self, after: UUID | None, most: int) -> list[Payment]:
        """All payments with their refunds, in id order, behind a place."""
        rows = await self._database.rows(_ALL, {"after": after, "most": most})
        refunds = [to_refund(row) for row in await self._database.rows(_REFUNDS, {"ids": [row.id for row in rows]})]
        return [to_payment(row, tuple(r for r in refunds if r.payment_id == row.id)) for row in rows]

    async def received_late(self, intent_id: str, paid: Paid) -> None:
        """The provider has money for a payment that was closed. Repeating it changes nothing."""
        await self._database.rows(_LATE, {"intent": intent_id, "received": paid.amount_minor})
