"""Cancellations and disputes in PostgreSQL: sagas beside the purchase that they concern."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from mesh.database import Database
from payment_svc.domain import CANCEL_OF, Refund, Saga, State
from payment_svc.store.refunds import open_in
from payment_svc.store.rows import to_saga

VERSION = 1

_LOCK = text("select *, clock_timestamp() as loaded_at from saga where id = :id for update")
_LOCK_PAYMENT = text("""
    select received_minor - coalesce((select sum(amount_minor) from refund r
        where r.payment_intent_id = p.payment_intent_id and r.status <> 'FAILED'), 0) as left_minor
    from (select * from payment where saga_id = :saga for update) p
""")
_BEGIN = text("""
    with begun as (
        insert into saga (id, kind, version, state, request_hash, context, student_id, tutor_id, time_slot, minutes,
                          course_id, booking_id, session_id, payment_id, hold_ends, lease_owner, lease_until, wake_at)
        select :new, :kind, :version, 'COMPENSATING', request_hash, cast(:context as jsonb), student_id, tutor_id,
               time_slot, minutes, course_id, booking_id, session_id, payment_id, hold_ends, :owner,
               clock_timestamp() + make_interval(secs => :lease), clock_timestamp() + make_interval(secs => :lease)
        from saga where id = :purchase
        on conflict do nothing
        returning *, clock_timestamp() as loaded_at
    ), told as (
        insert into saga_event (saga_id, state, event, detail)
        select id, state, 'cancelled_by', cast(:detail as text) from begun
    )
    select * from begun
""")
_OF_BOOKING = text("""
    select *, clock_timestamp() as loaded_at from saga
    where booking_id = :booking and kind in ('CancelBookingSaga', 'CancelEnrollmentSaga') and state <> 'REJECTED'
""")
_DISPUTE = text("""
    with parked as (
        insert into saga (id, kind, version, state, request_hash, context, error, student_id, tutor_id, time_slot,
                          minutes, course_id, booking_id, session_id, payment_id)
        select :id, 'DisputeCase', 1, 'PARKED', request_hash, jsonb_build_object('dispute', cast(:dispute as text)),
               cast(:error as jsonb), student_id, tutor_id, time_slot, minutes, course_id, booking_id,
               session_id, payment_id
        from saga where id = :purchase
        on conflict do nothing
        returning id
    )
    insert into saga_event (saga_id, state, event, detail)
    select id, 'PARKED', 'parked', 'disputed at the provider' from parked returning saga_id
""")
_DISPUTED = text("update payment set disputed = :disputed where payment_intent_id = :intent and disputed <> :disputed")


class CancellationStore:
    """The decision to cancel, committed with its refund before anybody is asked to do anything."""

    def __init__(self, database: Database, owner: str, lease_seconds: float) -> None:
        self._database, self._owner, self._lease = database, owner, lease_seconds

    async def begin(
        self, purchase: Saga, new_id: UUID, context: dict[str, Any], refund: Refund | None, detail: str
    ) -> Saga | None:
        """A cancel of a completed purchase, its lease taken, its refund PENDING.

        None when the purchase has been cancelled meanwhile, or less is left to give back than was decided.
        """

        async def work(connection: AsyncConnection) -> Saga | None:
            row = (await connection.execute(_LOCK, {"id": purchase.id})).one()
            if row.state != State.COMPLETED:
                return None
            if refund is not None:
                left = (await connection.execute(_LOCK_PAYMENT, {"saga": purchase.id})).one()
                if left.left_minor < refund.amount.amount_minor:
                    return None
            begun = (await connection.execute(_BEGIN, self._values(purchase, new_id, context, detail))).one_or_none()
            if begun is None:
                return None
            if refund is not None:
                await open_in(connection, refund)
            return to_saga(begun)

        return await self._database.transaction(work)

    def _values(self, purchase: Saga, new_id: UUID, context: dict[str, Any], detail: str) -> dict[str, Any]:
        return {
            "new": new_id,
            "kind": CANCEL_OF[purchase.kind],
            "version": VERSION,
            "purchase": purchase.id,
            "context": json.dumps(context),
            "detail": detail,
            "owner": self._owner,
            "lease": self._lease,
        }

    async def of_booking(self, booking_id: UUID) -> Saga | None:
        """The cancel of a completed purchase, open or done, by what was sold."""
        rows = await self._database.rows(_OF_BOOKING, {"booking": booking_id})
        return to_saga(rows[0]) if rows else None

    async def park_dispute(self, purchase_id: UUID, case_id: UUID, dispute_id: str, error: dict[str, str]) -> bool:
        """A case that waits for a person; False when it is there already."""
        values = {"purchase": purchase_id, "id": case_id, "dispute": dispute_id, "error": json.dumps(error)}
        return bool(await self._database.rows(_DISPUTE, values))

    async def set_disputed(self, intent_id: str, disputed: bool) -> None:
        """Whether a dispute about this payment is open."""
        await self._database.rows(_DISPUTED, {"intent": intent_id, "disputed": disputed})
