"""Provider events in PostgreSQL: stored once, applied to the saga that they were judged by, or kept for the inbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

from mesh.database import Connection, Database, is_caused_by_values
from mesh.statements import text
from payment_svc import metrics
from payment_svc.domain import EventSummary, Saga, Transition
from payment_svc.store.rows import to_saga
from payment_svc.store.sagas import BY_INTENT, SagaStore

_LOCK = text(BY_INTENT + " for update")
# An event that can wait takes the wake-up time of the other events of its intent. So a failing refund, which makes new
# events, is not retried once for each of them.
_STORE = text("""
    insert into stripe_event (id, type, saga_id, payment_intent_id, status, attempt, wake_at, processed_at, error)
    select :id, :type, cast(:saga as uuid), cast(:intent as text), cast(:status as text), coalesce(max(attempt), 0),
           case when :status = 'INBOX' then coalesce(max(wake_at) filter (where :can_wait), clock_timestamp()) end,
           case when :status = 'DONE' then clock_timestamp() end, cast(:error as text)
    from stripe_event where saga_id = :saga and payment_intent_id = :intent and status = 'INBOX'
    on conflict do nothing returning id
""")
_KNOWN = text("select id from stripe_event where id = any(:ids)")
_TOLD = text("""
    select distinct e.payment_intent_id, e.type from saga s join stripe_event e on e.saga_id = s.id
    where s.payment_intent_id = any(:intents) and e.payment_intent_id = s.payment_intent_id
""")
# A signal: the owner sees it before its next commit, and a sleeping saga wakes. A parked saga counts it and sleeps on.
_SIGNAL = text("""
    update saga set news = news + 1,
        wake_at = case when state = 'PARKED' then null
                       when lease_until > clock_timestamp() then wake_at else clock_timestamp() end
    where id = :id
""")
# One due event of each intent. The others of the intent go along with it.
_DUE = text("""
    select id, saga_id, payment_intent_id, attempt from (
        select distinct on (saga_id, payment_intent_id) id, saga_id, payment_intent_id, attempt, wake_at
        from stripe_event where wake_at <= now() order by saga_id, payment_intent_id, wake_at, id
    ) first order by wake_at limit :most
""")
# The event and the due events of its intent belong to the claimer for a while.
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
# All events of the intent that sleep share one wait. An event that is due came meanwhile, and may be the awaited one.
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


class Unstorable(Exception):
    """The schema refuses what the event says: every repeat would be refused as well."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """The event changes nothing here, and is not stored."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A run of the saga looks at the intent before its next commit."""


@dataclass(frozen=True, slots=True)
class Park:
    """Nobody can tell what the event means: it waits for a person. An open saga looks at the intent all the same.

    `crash`: what its judgement raised, if that is why.
    """

    why: str
    crash: Exception | None = None


@dataclass(frozen=True, slots=True)
class ToInbox:
    """No open saga takes the event: the inbox looks at the intent.

    It looks at once. When the event `can_wait`, it looks with the events of the same intent that back off.
    """

    can_wait: bool = False


@dataclass(frozen=True, slots=True)
class Apply:
    """The commit that stores the event also commits this transition."""

    transition: Transition


Verdict = Ignore | Signal | Park | ToInbox | Apply


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """An event of the inbox, and the events of the same intent (`along`) that one look at the intent answers too."""

    id: str
    saga_id: UUID
    intent_id: str
    attempt: int
    along: tuple[str, ...] = ()

    @property
    def ids(self) -> list[str]:
        return [self.id, *self.along]


class EventStore:
    """The table of events."""

    def __init__(self, database: Database, sagas: SagaStore, claim_seconds: float) -> None:
        self._database, self._sagas, self._claim = database, sagas, claim_seconds

    async def peek(self, summary: EventSummary) -> Saga | None:
        """The event's saga, without a lock."""
        return await self._sagas.by_intent(summary.intent_id, summary.saga_id)

    async def unknown(self, event_ids: list[str]) -> set[str]:
        """Those of these event ids that were never stored here."""
        rows = await self._database.rows(_KNOWN, {"ids": event_ids})
        return set(event_ids) - {row.id for row in rows}

    async def stored_types(self, intent_ids: list[str]) -> set[tuple[str, str]]:
        """The types of the stored events of these intents, each with its intent's id."""
        rows = await self._database.rows(_TOLD, {"intents": intent_ids}) if intent_ids else ()
        return {(row.payment_intent_id, row.type) for row in rows}

    async def receive(
        self, summary: EventSummary, judge: Callable[[Saga | None], Verdict]
    ) -> tuple[Verdict, Saga | None]:
        """Judge an event, and commit the verdict with the event, once.

        A transition is committed without a lock if the saga is still as it was read. Everything else, and an event that
        meets another change of its saga, is judged under the saga's row lock.
        Returns what was done (`Ignore` for a repeat) and the saga as it is then. Raises Unstorable.
        """
        try:
            verdict = judge(await self.peek(summary))
            if isinstance(verdict, Apply):
                moved = await self._sagas.commit(verdict.transition, by_event=summary)
                if moved is not None:
                    return verdict, moved
            return await self._receive_locked(summary, judge)
        except Exception as error:
            if is_caused_by_values(error):
                first_line = str(error).partition("\n")[0]  # the others are the statement
                raise Unstorable(f"{type(error).__name__}: {first_line}") from error
            raise

    async def _receive_locked(
        self, summary: EventSummary, judge: Callable[[Saga | None], Verdict]
    ) -> tuple[Verdict, Saga | None]:
        """The same under the saga's row lock."""

        async def judge_locked(connection: Connection) -> tuple[Verdict, Saga | None]:
            values = {"intent": summary.intent_id, "saga": summary.saga_id}
            row = (await connection.execute(_LOCK, values)).one_or_none()
            saga = to_saga(row) if row is not None else None
            verdict = judge(saga)
            if saga is None or isinstance(verdict, Ignore) or not await self._store(connection, summary, saga, verdict):
                return Ignore(), saga
            if isinstance(verdict, Apply):
                return verdict, await self._sagas.commit_in(connection, verdict.transition)
            if isinstance(verdict, Signal | Park) and not saga.is_complete:
                await connection.execute(_SIGNAL, {"id": saga.id})
            return verdict, saga

        verdict, saga = await self._database.transaction(judge_locked)
        if isinstance(verdict, Apply) and saga is not None:
            metrics.note_transition(verdict.transition, saga)
        return verdict, saga

    async def _store(self, connection: Connection, summary: EventSummary, saga: Saga, verdict: Verdict) -> bool:
        status = {Apply: "DONE", Signal: "NEWS", Park: "PARKED", ToInbox: "INBOX"}[type(verdict)]
        values = {
            "id": summary.event_id,
            "type": summary.type,
            "saga": saga.id,
            "intent": summary.intent_id,
            "status": status,
            "can_wait": isinstance(verdict, ToInbox) and verdict.can_wait,
            "error": verdict.why if isinstance(verdict, Park) else None,
        }
        return (await connection.execute(_STORE, values)).one_or_none() is not None

    async def due(self, most: int) -> list[InboxEvent]:
        """An event of each intent whose time has come, read without locks."""
        rows = await self._database.rows(_DUE, {"most": most})
        return [InboxEvent(row.id, row.saga_id, row.payment_intent_id, row.attempt) for row in rows]

    async def claim(self, event: InboxEvent) -> InboxEvent | None:
        """Own an event and the due events of its intent for a while; None when somebody was quicker.

        When the owner dies, they are due again after that while.
        """
        claimed = await self._database.rows(_CLAIM, {"id": event.id, "attempt": event.attempt, "seconds": self._claim})
        along = tuple(row.id for row in claimed if row.id != event.id)
        return replace(event, attempt=event.attempt + 1, along=along) if claimed else None

    async def done(self, event: InboxEvent) -> None:
        await self._database.rows(_DONE, {"ids": event.ids})

    async def back_off(self, event: InboxEvent, error: str, seconds: float) -> None:
        """Try again later, with all events that sleep for the same intent."""
        about = {"ids": event.ids, "saga": event.saga_id, "intent": event.intent_id, "attempt": event.attempt}
        await self._database.rows(_BACK_OFF, about | {"error": error, "seconds": seconds})

    async def park(self, event: InboxEvent, error: str) -> None:
        await self._database.rows(_PARK, {"ids": event.ids, "error": error})

    async def unpark(self, saga_id: UUID) -> int:
        """Make a saga's parked events due; how many there were."""
        return len(await self._database.rows(_UNPARK, {"saga": saga_id}))
