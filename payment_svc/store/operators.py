"""What an operator does to sagas in PostgreSQL: list, wake, let go on, close by a person's word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from mesh.database import Database
from payment_svc.domain import Saga, State
from payment_svc.store.rows import to_saga

_LIST = """
    select *, clock_timestamp() as loaded_at from saga
    where (cast(:state as text) = '' or state = :state) and (not :open_only or not is_complete) {after}
    order by created_at desc, id desc limit :most
"""
_LIST_FIRST = text(_LIST.format(after=""))
_LIST_AFTER = text(_LIST.format(after="and (created_at, id) < (:at, :row)"))
_WAKE_BACKING_OFF = text("""
    with page as (
        select id from saga where wake_at > clock_timestamp() and lease_until is null and attempt > 0
           and (cast(:after as uuid) is null or id > :after) order by id limit :most
    ), woken as (
        update saga set wake_at = clock_timestamp() from page where saga.id = page.id
           and saga.wake_at > clock_timestamp() and saga.lease_until is null and saga.attempt > 0
        returning saga.id
    )
    select id from page order by id
""")
_UNPARK = text("""
    with moved as (
        update saga set state = context ->> 'parked_from', state_since = clock_timestamp(), attempt = 0,
            fence = fence + 1, wake_at = clock_timestamp(), updated_at = clock_timestamp()
        where id = :id and state = 'PARKED' returning id, state
    )
    insert into saga_event (saga_id, state, event) select id, state, 'retried' from moved returning saga_id
""")
_RESOLVE = text("""
    with moved as (
        update saga set state = :state, is_complete = true, fence = fence + 1, updated_at = clock_timestamp(),
            state_since = clock_timestamp(), context = (context || jsonb_build_object(
                'resolved', true, 'resolved_received', cast(:received as bigint))) - 'client_secret'
        where id = :id and state = 'PARKED' returning id, state, payment_intent_id, kind, context
    ), withdrawn as (
        update refund set status = 'FAILED', reason = 'withdrawn', updated_at = clock_timestamp()
        where saga_id = (select coalesce(cast(context ->> 'purchase_id' as uuid), id) from moved
                         where kind <> 'DisputeCase')
          and status = 'PENDING' and provider_refund_id is null
    ), heard as (
        update stripe_event set status = 'DONE', processed_at = clock_timestamp()
        where saga_id = (select id from moved) and status = 'NEWS'
    ), settled as (
        update payment set status = case when cast(:received as bigint) > 0 then 'SUCCEEDED' else 'CANCELLED' end,
            received_minor = :received
        where payment_intent_id = (select payment_intent_id from moved) and status = 'PENDING'
    )
    insert into saga_event (saga_id, state, event, detail)
    select id, state, 'resolved', cast(:note as text) from moved returning saga_id
""")


class OperatorStore:
    """Statements that no saga makes by itself. Each that changes a saga's way counts its fence up."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, *, state: str, open_only: bool, after: tuple[datetime, UUID] | None, most: int) -> list[Saga]:
        """Newest first, behind a place."""
        values: dict[str, Any] = {"state": state, "open_only": open_only, "most": most}
        if after is None:
            return [to_saga(row) for row in await self._database.rows(_LIST_FIRST, values)]
        return [
            to_saga(row) for row in await self._database.rows(_LIST_AFTER, {**values, "at": after[0], "row": after[1]})
        ]

    async def wake_backing_off(self, after: UUID | None, most: int) -> Sequence[UUID]:
        """Wake a page of the sagas that sleep after a failed attempt; which. Who fails again is on no later page."""
        rows = await self._database.rows(_WAKE_BACKING_OFF, {"after": after, "most": most})
        return [row.id for row in rows]

    async def unpark(self, saga_id: UUID) -> bool:
        """Let a parked saga go on from where it was parked."""
        return bool(await self._database.rows(_UNPARK, {"id": saga_id}))

    async def resolve(self, saga_id: UUID, state: State, note: str, received: int) -> bool:
        """Close a parked saga by a person's word, its payment by what was received; False when it is not parked.

        A refund that the provider does not have yet is withdrawn: the person has settled the money.
        """
        values = {"id": saga_id, "state": state.value, "note": note, "received": received}
        return bool(await self._database.rows(_RESOLVE, values))
