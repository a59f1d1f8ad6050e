"""Cancels and disputes in PostgreSQL: sagas beside the purchase that they are about."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from mesh import calls, tracing
from mesh.database import Connection, Database
from mesh.statements import text
from payment_svc import metrics
from payment_svc.domain import (
    DISPUTE_CASE,
    REFUND_CASE,
    CancelFacts,
    CaseFacts,
    DisputeFacts,
    Refund,
    RefundCaseFacts,
    Saga,
    SagaError,
    State,
)
from payment_svc.store.facts import REFUND_CASE_INTENT, encode_error, encode_facts
from payment_svc.store.refunds import open_in
from payment_svc.store.rows import to_saga

_LOCK = text("select *, clock_timestamp() as loaded_at from saga where id = :id for update")
# What is left to give back of the purchase's payment. The lock lets one cancel count at a time.
_LOCK_PAYMENT = text("""
    select case when charged_back then 0 else received_minor - coalesce((select sum(amount_minor) from refund r
        where r.payment_intent_id = p.payment_intent_id and r.status <> 'FAILED'), 0) end as left_minor
    from (select * from payment where saga_id = :saga for update) p
""")
# The cancel appears with its lease taken. The unique index saga_one_cancel lets the first one win.
_BEGIN = text("""
    with begun as (
        insert into saga (id, kind, version, state, request_hash, context, student_id, tutor_id, time_slot, minutes,
                          course_id, booking_id, session_id, payment_id, hold_ends, request_id, traceparent, lease_owner,
                          lease_until, wake_at)
        select :new, :kind, :version, 'COMPENSATING', request_hash, cast(:context as jsonb), student_id, tutor_id,
               time_slot, minutes, course_id, booking_id, session_id, payment_id, hold_ends, :request, :traceparent,
               :owner,
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
_OF_SOLD = text("""
    select *, clock_timestamp() as loaded_at from saga
    where booking_id = :sold and role = 'CANCEL' and state <> 'REJECTED'
""")
# A case appears once per id. It is parked from the beginning, and waits for a person.
_PARK_CASE = text("""
    with parked as (
        insert into saga (id, kind, version, state, request_hash, context, error, student_id, tutor_id, time_slot,
                          minutes, course_id, booking_id, session_id, payment_id)
        select :id, :kind, 1, 'PARKED', request_hash, cast(:context as jsonb), cast(:error as jsonb),
               student_id, tutor_id, time_slot, minutes, course_id, booking_id,
               session_id, payment_id
        from saga where id = :purchase
        on conflict do nothing
        returning id
    )
    insert into saga_event (saga_id, state, event, detail)
    select id, 'PARKED', 'parked', cast(:detail as text) from parked returning saga_id
""")
# The newest case about a refund of an intent.
_REFUND_CASE = text(f"""
    select *, clock_timestamp() as loaded_at from saga
    where booking_id = :sold and kind = '{REFUND_CASE}' and {REFUND_CASE_INTENT} = :intent
    order by created_at desc limit 1
""")  # noqa: S608 - constants
_DISPUTED = text("""
    update payment set disputed = :disputed, charged_back = :charged_back
    where payment_intent_id = :intent and (disputed, charged_back) <> (:disputed, :charged_back)
""")


# A cancel of this purchase that was refused, because its lesson took place or it had ended otherwise. That stays so.
_REFUSED = text("""
    select *, clock_timestamp() as loaded_at from saga where booking_id = :sold and role = 'CANCEL' and state = 'REJECTED'
    limit 1
""")


class CancellationStore:
    """The decision to cancel, committed with its refund before anybody is asked to do anything."""

    def __init__(self, database: Database, owner: str, lease_seconds: float) -> None:
        self._database, self._owner, self._lease = database, owner, lease_seconds

    async def begin(
        self,
        purchase: Saga,
        new_id: UUID,
        *,
        kind: str,
        version: int,
        facts: CancelFacts,
        refund: Refund | None,
        detail: str,
    ) -> Saga | None:
        """A cancel of a completed purchase, under this kind and version, its lease taken, its refund PENDING.

        None when somebody has cancelled the purchase meanwhile, or less is left to give back than was decided. Raises the
        refusal of an earlier cancel, so that repeats of it leave no rows.
        """
        values = self._values(purchase, new_id, facts, detail) | {"kind": kind, "version": version}

        async def lock_and_begin(connection: Connection) -> Saga | None:
            row = (await connection.execute(_LOCK, {"id": purchase.id})).one()
            if row.state != State.COMPLETED:
                return None
            refused = (await connection.execute(_REFUSED, {"sold": purchase.sold_id})).one_or_none()
            if refused is not None and (error := to_saga(refused).error) is not None:
                raise error.to_refusal()
            if refund is not None:
                left = (await connection.execute(_LOCK_PAYMENT, {"saga": purchase.id})).one()
                if left.left_minor < refund.amount.amount_minor:
                    return None
            begun = (await connection.execute(_BEGIN, values)).one_or_none()
            if begun is None:
                return None
            if refund is not None:
                await open_in(connection, refund)
            return to_saga(begun)

        begun = await self._database.transaction(lock_and_begin)
        if begun is not None:
            metrics.note_begun(begun)
        return begun

    def _values(self, purchase: Saga, new_id: UUID, facts: CancelFacts, detail: str) -> dict[str, Any]:
        return {
            "new": new_id,
            "purchase": purchase.id,
            "context": encode_facts(facts),
            "detail": detail,
            "request": calls.current_request(),
            "traceparent": tracing.traceparent(),
            "owner": self._owner,
            "lease": self._lease,
        }

    async def of_sold(self, sold_id: UUID) -> Saga | None:
        """The cancel of this booking or enrollment, open or done, when it was cancelled after its completion."""
        rows = await self._database.rows(_OF_SOLD, {"sold": sold_id})
        return to_saga(rows[0]) if rows else None

    async def park_dispute(self, purchase_id: UUID, case_id: UUID, facts: DisputeFacts, error: SagaError) -> bool:
        """Open a case that waits for a person; False when there is one for this dispute already."""
        return await self._park_case(DISPUTE_CASE, purchase_id, case_id, facts, error, "disputed at the provider")

    async def park_refund(self, purchase_id: UUID, case_id: UUID, facts: RefundCaseFacts, error: SagaError) -> bool:
        """Open a case about a refund that was given up after every saga of its purchase had ended.

        False when there is one already. A retry of the case goes on with the refund.
        """
        return await self._park_case(REFUND_CASE, purchase_id, case_id, facts, error, error.message)

    async def _park_case(
        self, kind: str, purchase_id: UUID, case_id: UUID, facts: CaseFacts, error: SagaError, detail: str
    ) -> bool:
        values = {"purchase": purchase_id, "id": case_id, "kind": kind, "detail": detail}
        about = {"context": encode_facts(facts, State.COMPENSATING), "error": encode_error(error)}
        is_new = bool(await self._database.rows(_PARK_CASE, values | about))
        if is_new:
            metrics.note_parked_case(kind)
        return is_new

    async def refund_case(self, sold_id: UUID, intent_id: str) -> Saga | None:
        """The newest case about a refund of this intent."""
        rows = await self._database.rows(_REFUND_CASE, {"sold": sold_id, "intent": intent_id})
        return to_saga(rows[0]) if rows else None

    async def set_disputed(self, intent_id: str, *, disputed: bool, charged_back: bool) -> None:
        """Keep whether a dispute about this payment is open, and whether one was lost."""
        values = {"intent": intent_id, "disputed": disputed, "charged_back": charged_back}
        await self._database.rows(_DISPUTED, values)
