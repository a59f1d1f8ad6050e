"""What an operator does to sagas in PostgreSQL: list them, wake them, let a parked one go on, resolve one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from mesh.database import Database
from mesh.statements import text
from payment_svc.domain import DISPUTE_CASE, ENDS, Saga, State
from payment_svc.store.facts import PARKED_FROM, PURCHASE_ID, RESOLVED_CONTEXT
from payment_svc.store.rows import to_saga

#: The states of sagas that have not ended.
OPEN = frozenset(State) - ENDS
# Newest first. The condition of the open ones is the one of the index that has them alone.
_LIST = """
    select *, clock_timestamp() as loaded_at from saga
    where (cast(:state as text) = '' or state = :state) and {which} {after}
    order by created_at desc, id desc limit :most
"""
_AFTER = "and (created_at, id) < (:at, :row)"
# All sagas of the purchases to which an id leads: one of ours (:uuid, which may be null), or a text of somebody's. Each
# part of it, and the join, finds its rows by an index.
_ABOUT = """
    with about as materialized (
        select booking_id from saga where id = :uuid or booking_id = :uuid or session_id = :uuid or payment_id = :uuid
           or student_id = :uuid
        union select booking_id from saga where payment_intent_id = :about or request_id = :about
        union select subject_id from notification where id = :uuid
        union select s.booking_id from (
            select saga_id from refund where id = :uuid or provider_refund_id = :about or payment_intent_id = :about
            union select saga_id from stripe_event where id = :about
            union select c.saga_id from callback_payment c where c.id = :about or c.reference = :about
            union select c.saga_id from callback_attempt a, lateral (
                select saga_id from callback_payment where id = a.callback_payment_id offset 0) c
                where a.reference = :about
            union select c.saga_id from callback_refund r, lateral (
                select saga_id from callback_payment where id = r.callback_payment_id offset 0) c
                where r.reference = :about
        ) named, lateral (select booking_id from saga where id = named.saga_id offset 0) s
    )
    select of_sale.*, clock_timestamp() as loaded_at
    from about, lateral (select * from saga where booking_id = about.booking_id offset 0) of_sale
    where (cast(:state as text) = '' or state = :state) and (not :open_only or not is_complete) {after}
    order by created_at desc, id desc limit :most
"""
_PATTERNS = {
    "all": _LIST.replace("{which}", "true"),
    "open": _LIST.replace("{which}", "not is_complete"),
    "about": _ABOUT,
}
_LISTS = {
    (which, has_cursor): text(pattern.format(after=_AFTER if has_cursor else ""))
    for which, pattern in _PATTERNS.items()
    for has_cursor in (False, True)
}
# A page of the sagas that sleep after a failed attempt wakes up.
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
# A parked saga goes on in the state in which it was parked.
_UNPARK = text(f"""
    with moved as (
        update saga set state = {PARKED_FROM}, state_since = clock_timestamp(), attempt = 0,
            fence = fence + 1, wake_at = clock_timestamp(), updated_at = clock_timestamp()
        where id = :id and state = 'PARKED' returning id, state
    )
    insert into saga_event (saga_id, state, event) select id, state, 'retried' from moved returning saga_id
""")  # noqa: S608 - constants
# A person closes a parked saga. Its payment becomes what the intent received. A refund that the provider does not know
# is withdrawn, because the person has settled the money. The events that signalled the saga are done.
_RESOLVE = text(f"""
    with moved as (
        update saga set state = :state, is_complete = true, fence = fence + 1, updated_at = clock_timestamp(),
            state_since = clock_timestamp(), context = {RESOLVED_CONTEXT}
        where id = :id and state = 'PARKED' returning id, state, payment_intent_id, kind, context
    ), withdrawn as (
        update refund set status = 'FAILED', reason = 'withdrawn', updated_at = clock_timestamp()
        where saga_id = (select coalesce({PURCHASE_ID}, id) from moved where kind <> '{DISPUTE_CASE}')
          and status = 'PENDING' and provider_refund_id is null
    ), finished as (
        update stripe_event set status = 'DONE', processed_at = clock_timestamp()
        where saga_id = (select id from moved) and status = 'NEWS'
    ), settled as (
        update payment set status = case when cast(:received as bigint) > 0 then 'SUCCEEDED' else 'CANCELLED' end,
            received_minor = :received
        where payment_intent_id = (select payment_intent_id from moved) and status = 'PENDING'
    )
    insert into saga_event (saga_id, state, event, detail)
    select id, state, 'resolved', cast(:note as text) from moved returning saga_id
""")  # noqa: S608 - constants


class OperatorStore:
    """Statements that no saga makes by itself. Each one that changes a state counts the fence up."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, *, state: str, open_only: bool, about: str, after: tuple[datetime, UUID] | None, most: int
    ) -> list[Saga]:
        """Newest first, after the (created_at, id) of the page before. `about` is an id, or empty for all sagas."""
        values: dict[str, Any] = {"state": state, "most": most}
        if about:
            values |= {"about": about, "uuid": _uuid(about), "open_only": open_only}
        if after is not None:
            values |= {"at": after[0], "row": after[1]}
        which = "about" if about else "open" if open_only or state in OPEN else "all"
        rows = await self._database.rows(_LISTS[which, after is not None], values)
        return [to_saga(row) for row in rows]

    async def wake_backing_off(self, after: UUID | None, most: int) -> Sequence[UUID]:
        """Wake a page of the sagas that sleep after a failed attempt, in id order, and return their ids."""
        rows = await self._database.rows(_WAKE_BACKING_OFF, {"after": after, "most": most})
        return [row.id for row in rows]

    async def unpark(self, saga_id: UUID) -> bool:
        """Let a parked saga go on in the state in which it was parked; False when it is not parked."""
        return bool(await self._database.rows(_UNPARK, {"id": saga_id}))

    async def resolve(self, saga_id: UUID, state: State, note: str, received: int) -> bool:
        """Close a parked saga as a person decided, when its intent has received this much (minor units).

        False when it is not parked.
        """
        values = {"id": saga_id, "state": state.value, "note": note, "received": received}
        return bool(await self._database.rows(_RESOLVE, values))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
