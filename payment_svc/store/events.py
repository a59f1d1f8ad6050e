"""Stripe's events in PostgreSQL: stored once, applied under the saga's row lock, or kept for the inbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from mesh.database import Database
from payment_svc.domain import Move, Saga
from payment_svc.store.rows import to_saga
from payment_svc.store.sagas import SagaStore

# The intent's saga first; an event may come before our own commit of the intent's id, then the metadata tells.
_FIND = """
    select *, clock_timestamp() as loaded_at from saga
    where payment_intent_id = :intent or id = cast(:saga as uuid)
    order by (payment_intent_id = :intent) desc nulls last limit 1
"""
_PEEK, _LOCK = text(_FIND), text(_FIND + " for update")
# What can wait sleeps with the others of its intent: a failure that makes events sets no pace by them.
_STORE = text("""
    insert into stripe_event (id, type, saga_id, payment_intent_id, status, attempt, wake_at, processed_at)
    select :id, :type, cast(:saga as uuid), cast(:intent as text), cast(:status as text), coalesce(max(attempt), 0),
           case when :status = 'INBOX' then coalesce(max(wake_at) filter (where :can_wait), clock_timestamp()) end,
           case when :status = 'DONE' then clock_timestamp() end
    from stripe_event where saga_id = :saga and payment_intent_id = :intent and status = 'INBOX'
    on conflict do nothing returning id
""")
_KNOWN = text("select id from stripe_event where id = any(:ids)")
_NEWS = text("""
    update saga set news = news + 1,
        wake_at = case when state = 'PARKED' then null
                       when lease_until > clock_timestamp() then wake_at else clock_timestamp() end
    where id = :id
""")
# One event for each intent; the others that are due go along with it.
_DUE = text("""
    select id, saga_id, payment_intent_id, attempt from (
        select distinct on (saga_id, payment_intent_id) id, saga_id, payment_intent_id, attempt, wake_at
        from stripe_event where wake_at <= clock_timestamp() order by saga_id, payment_intent_id, wake_at, id
    ) first order by wake_at limit :most
""")
_CLAIM = text("""
    with own as (
        update stripe_event set attempt = attempt + 1, wake_at = clock_timestamp() + make_interval(secs => :seconds)
        where id = :id and attempt = :attempt and status = 'INBOX' and wake_at <= clock_timestamp()
        returning id, saga_id, payment_intent_id, attempt
    ), along as (
        update stripe_event e set attempt = greatest(e.attempt, own.attempt),
            wake_at = clock_timestamp() + make_interval(secs => :seconds)
        from own where e.saga_id = own.saga_id and e.payment_intent_id = own.payment_intent_id and e.id <> own.id
          and e.status = 'INBOX' and e.wake_at <= clock_timestamp()
        returning e.id
    )
    select id from own union all select id from along
""")
_DONE = text("""
    update stripe_event set status = 'DONE', processed_at = clock_timestamp(), wake_at = null, error = null
    where id = any(:ids) and status = 'INBOX'
""")
# All that sleep for this intent share one backoff. What is due has come meanwhile, and may be the news waited for.
_BACK_OFF = text("""
    update stripe_event set error = :error, attempt = greatest(attempt, :attempt),
        wake_at = clock_timestamp() + make_interval(secs => :seconds)
    where saga_id = :saga and payment_intent_id = :intent and status = 'INBOX'
      and (id = any(:ids) or wake_at > clock_timestamp())
""")
_PARK = text("""
    update stripe_event set status = 'PARKED', wake_at = null, error = :error
    where id = any(:ids) and status = 'INBOX'
""")
_UNPARK = text("""
    update stripe_event set status = 'INBOX', attempt = 0, wake_at = clock_timestamp()
    where saga_id = :saga and status = 'PARKED' returning id
""")


@dataclass(frozen=True, slots=True)
class Notice:
    """What of an event matters to us."""

    event_id: str
    type: str
    intent_id: str
    saga_id: UUID | None


@dataclass(frozen=True, slots=True)
class Ignore:
    """The event changes nothing here: not even a row."""


@dataclass(frozen=True, slots=True)
class ForTheDriver:
    """Somebody drives the saga, or will: it looks at the intent before it next commits."""


@dataclass(frozen=True, slots=True)
class ForTheInbox:
    """No open saga takes it; the inbox looks at the intent: at once, or with what of it backs off when it `can_wait`."""

    can_wait: bool = False


@dataclass(frozen=True, slots=True)
class Apply:
    """The saga moves at once, in the commit that stores the event."""

    move: Move


Verdict = Ignore | ForTheDriver | ForTheInbox | Apply


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """An event that the inbox has to look into, and those of the same intent that one look answers too."""

    id: str
    saga_id: UUID
    intent_id: str
    attempt: int
    along: tuple[str, ...] = ()

    @property
    def ids(self) -> list[str]:
        return [self.id, *self.along]


class EventStore:
    """The webhook door's table."""

    def __init__(self, database: Database, sagas: SagaStore, claim_seconds: float) -> None:
        self._database, self._sagas, self._claim = database, sagas, claim_seconds

    async def peek(self, notice: Notice) -> Saga | None:
        """The event's saga, without a lock."""
        rows = await self._database.rows(_PEEK, {"intent": notice.intent_id, "saga": notice.saga_id})
        return to_saga(rows[0]) if rows else None

    async def unknown(self, event_ids: list[str]) -> set[str]:
        """Those of the events that were never stored here."""
        rows = await self._database.rows(_KNOWN, {"ids": event_ids})
        return set(event_ids) - {row.id for row in rows}

    async def receive(self, notice: Notice, judge: Callable[[Saga | None], Verdict]) -> tuple[Verdict, Saga | None]:
        """Judge an event under its saga's row lock and commit the verdict with the event, once.

        Returns what was done (`Ignore` for a repeat) and the saga as it is then.
        """

        async def work(connection: AsyncConnection) -> tuple[Verdict, Saga | None]:
            values = {"intent": notice.intent_id, "saga": notice.saga_id}
            row = (await connection.execute(_LOCK, values)).one_or_none()
            saga = to_saga(row) if row is not None else None
            verdict = judge(saga)
            if saga is None or isinstance(verdict, Ignore) or not await self._stored(connection, notice, saga, verdict):
                return Ignore(), saga
            if isinstance(verdict, Apply):
                return verdict, await self._sagas.move_in(connection, verdict.move)
            if isinstance(verdict, ForTheDriver):
                await connection.execute(_NEWS, {"id": saga.id})
            return verdict, saga

        return await self._database.transaction(work)

    async def _stored(self, connection: AsyncConnection, notice: Notice, saga: Saga, verdict: Verdict) -> bool:
        status = {Apply: "DONE", ForTheDriver: "NEWS", ForTheInbox: "INBOX"}[type(verdict)]
        values = {
            "id": notice.event_id,
            "type": notice.type,
            "saga": saga.id,
            "intent": notice.intent_id,
            "status": status,
            "can_wait": isinstance(verdict, ForTheInbox) and verdict.can_wait,
        }
        return (await connection.execute(_STORE, values)).one_or_none() is not None

    async def due(self, most: int) -> list[InboxEvent]:
        """An event of each intent whose time has come, read without locks."""
        rows = await self._database.rows(_DUE, {"most": most})
        return [InboxEvent(row.id, row.saga_id, row.payment_intent_id, row.attempt) for row in rows]

    async def claim(self, event: InboxEvent) -> InboxEvent | None:
        """Own an event for a while, and what is due of its intent, if nobody was quicker.

        Whoever dies over it delays it by that much.
        """
        claimed = await self._database.rows(_CLAIM, {"id": event.id, "attempt": event.attempt, "seconds": self._claim})
        along = tuple(row.id for row in claimed if row.id != event.id)
        return replace(event, attempt=event.attempt + 1, along=along) if claimed else None

    async def done(self, event: InboxEvent) -> None:
        await self._database.rows(_DONE, {"ids": event.ids})

    async def back_off(self, event: InboxEvent, error: str, seconds: float) -> None:
        """Try again later, with everything that sleeps for the same intent."""
        about = {"ids": event.ids, "saga": event.saga_id, "intent": event.intent_id, "attempt": event.attempt}
        await self._database.rows(_BACK_OFF, about | {"error": error, "seconds": seconds})

    async def park(self, event: InboxEvent, error: str) -> None:
        await self._database.rows(_PARK, {"ids": event.ids, "error": error})

    async def unpark(self, saga_id: UUID) -> int:
        """Let a saga's parked events be tried again; how many."""
        return len(await self._database.rows(_UNPARK, {"saga": saga_id}))
