"""Sagas in PostgreSQL: begun once, owned by a lease, moved by one statement that names the fence."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from mesh import calls, tracing
from mesh.database import Connection, Database
from mesh.statements import text
from payment_svc import metrics
from payment_svc.domain import ENDS, Event, EventSummary, Facts, LessonOrder, Order, Saga, Transition
from payment_svc.domain.messages import DeliveryRoute
from payment_svc.store import outbox
from payment_svc.store.facts import encode_context, encode_error, encode_facts
from payment_svc.store.rows import to_saga
from payment_svc.store.transition_sql import commit_statement

# The saga appears with its lease taken, its idempotency key, and the first line of its history.
_BEGIN = text("""
    with begun as (
        insert into saga (id, kind, version, state, request_hash, context, student_id, tutor_id, time_slot, minutes,
                          course_id, booking_id, session_id, payment_id, request_id, traceparent, lease_owner, lease_until,
                          wake_at)
        values (:id, :kind, :version, 'AWAITING_AVAILABILITY', :hash, cast(:context as jsonb), :student, :tutor, :start,
                :minutes, :course, :sold, :session, :payment, :request, :traceparent, :owner,
                clock_timestamp() + make_interval(secs => :lease), clock_timestamp() + make_interval(secs => :lease))
        returning *, clock_timestamp() as loaded_at
    ), keyed as (
        insert into idempotency_key (student_id, key, saga_id, request_hash)
        select student_id, cast(:key as text), id, request_hash from begun where cast(:key as text) <> ''
    ), told as (
        insert into saga_event (saga_id, state, event) select id, state, 'started' from begun
    )
    select * from begun
""")

# A claim takes the lease and counts the fence up. Only one of several claimants finds the fence that it has read.
_CLAIM = """
    update saga set fence = fence + 1, lease_owner = :owner,
        lease_until = clock_timestamp() + make_interval(secs => :lease),
        wake_at = clock_timestamp() + make_interval(secs => :lease)
    where id = :id and fence = :fence and not is_complete and state <> 'PARKED' and {condition}
    returning *, clock_timestamp() as loaded_at
"""
_CLAIM_DUE = text(_CLAIM.format(condition="wake_at <= clock_timestamp()"))
_CLAIM_FREE = text(_CLAIM.format(condition="(lease_until is null or lease_until <= clock_timestamp())"))

# The owner keeps its lease for another term.
_RENEW = text("""
    update saga set lease_until = clock_timestamp() + make_interval(secs => :lease),
        wake_at = clock_timestamp() + make_interval(secs => :lease)
    where id = :id and fence = :fence and lease_owner = :owner
    returning id
""")

_GET = text("select *, clock_timestamp() as loaded_at from saga where id = :id")
# The oldest saga around a purchase is the one that sold it.
#: The saga that owns an intent. It may be asked for before our own commit of the intent's id: then metadata names it.
BY_INTENT = """
    select *, clock_timestamp() as loaded_at from saga
    where payment_intent_id = :intent or id = cast(:saga as uuid)
    order by (payment_intent_id = :intent) desc nulls last limit 1
"""
_BY_INTENT = text(BY_INTENT)
_COMPLETED = text("""
    select payment_intent_id from saga where payment_intent_id = any(:intents) and state = 'COMPLETED'
""")
_BY_SOLD = text("select *, clock_timestamp() as loaded_at from saga where booking_id = :id order by created_at limit 1")
# The student's open sale of this tutor's time. The unique index saga_open_slot allows one.
_OPEN_FOR_SLOT = text("""
    select *, clock_timestamp() as loaded_at from saga
    where student_id = :student and tutor_id = :tutor and time_slot = :start and not is_complete and role = 'SALE'
""")
# The student's open sale of this course. The unique index saga_open_course allows one.
_OPEN_FOR_COURSE = text("""
    select *, clock_timestamp() as loaded_at from saga
    where student_id = :student and course_id = :course and not is_complete and role = 'SALE'
""")
_EVENTS = text("select at, state, event, detail from saga_event where saga_id = :id order by seq limit :most")
# Sagas that have awaited their payment for :older seconds, in id order.
_WAITING = text("""
    select *, clock_timestamp() as loaded_at from saga
    where state = 'AWAITING_PAYMENT' and state_since <= clock_timestamp() - make_interval(secs => :older)
      and (cast(:after as uuid) is null or id > :after)
    order by id limit :most
""")
# Sagas whose wake-up has come, of the kinds and versions that this process knows. An index finds what is earlier than
# now(), the start of the statement. It cannot find what is earlier than clock_timestamp(), which changes meanwhile.
_DUE = text("""
    select id, fence, lease_owner is not null as was_leased from saga
    where wake_at <= now()
      and (kind, version) in (select * from unnest(cast(:kinds as text[]), cast(:versions as int[])))
    order by wake_at limit :most
""")
# A signal: the owner sees it before its next commit, and a sleeping saga wakes.
_SIGNAL = text("""
    update saga set wake_at = case when lease_until > clock_timestamp() then wake_at else clock_timestamp() end,
        news = news + 1
    where id = :id and not is_complete and state <> 'PARKED'
    returning id
""")

# Somebody asks the provider about the payment, unless somebody did so a moment ago. Until the answer is written down, it
# is unknown; that the money was there stays known.
_MAY_LOOK = text("""
    update saga set looked_at = clock_timestamp(), seen_paid = seen_paid or null
    where id = :id and (looked_at is null or looked_at <= clock_timestamp() - make_interval(secs => :seconds))
    returning looked_at
""")
# A look that lasted so long that another one has begun meanwhile changes nothing.
_END_LOOK = text(
    "update saga set seen_paid = cast(:paid as boolean) where id = :id and looked_at = :began returning id"
)


class SagaStore:
    """Every write names the fence that its writer read, so that a stalled owner's late write changes nothing."""

    def __init__(
        self, database: Database, owner: str, lease_seconds: float, routes: Sequence[DeliveryRoute] = ()
    ) -> None:
        self.database, self._owner, self._lease, self._routes = database, owner, lease_seconds, routes

    async def begin(
        self, order: Order, *, kind: str, version: int, ids: dict[str, UUID], digest: bytes, facts: Facts
    ) -> Saga:
        """A new saga with its lease taken. `ids` names the saga (`id`) and what it will make (sold, session, payment).

        Raises KeyUsed or OpenAlready when there is one for this order already.
        """
        values = {
            **_NOTHING,
            **_ordered(order),
            **ids,
            "kind": kind,
            "version": version,
            "hash": digest,
            "context": encode_facts(facts),
            "student": order.student_id,
            "request": calls.current_request(),
            "traceparent": tracing.traceparent(),
            "key": order.key,
            "owner": self._owner,
            "lease": self._lease,
        }
        begun = to_saga((await self.database.rows(_BEGIN, values))[0])
        metrics.note_begun(begun)
        return begun

    async def commit(self, transition: Transition, by_event: EventSummary | None = None) -> Saga | None:
        """Commit a transition, once; None when the writer is stale (see store/transition_sql.py).

        An event that causes it is stored by the same commit. None also when that event is stored already.
        """
        moved = await self.database.statement(lambda connection: self.commit_in(connection, transition, by_event))
        if moved is not None:
            metrics.note_transition(transition, moved)
        return moved

    async def commit_in(
        self, connection: Connection, transition: Transition, by_event: EventSummary | None = None
    ) -> Saga | None:
        """The same inside a transaction of the caller's, who notes it once that is committed."""
        values = self._values(transition)
        if by_event is not None:
            values |= {"event_id": by_event.event_id, "event_type": by_event.type, "event_intent": by_event.intent_id}
        announces = bool(values["channels"])
        statement = commit_statement(transition, announces=announces, by_event=by_event is not None)
        row = (await connection.execute(statement, values)).one_or_none()
        return to_saga(row) if row is not None else None

    def _values(self, transition: Transition) -> dict[str, Any]:
        saga, payment, received = transition.saga, transition.payment, transition.received
        left = None if saga.hold_ends_monotonic is None else saga.hold_ends_monotonic - time.monotonic()
        price = saga.price if payment else None
        assert payment is None or price is not None
        return {
            "id": saga.id,
            "fence": saga.fence,
            "signals": saga.signals,
            "seen": saga.updated_at,
            "state": transition.state.value,
            "complete": transition.state in ENDS,
            "context": encode_context(saga),
            "intent": saga.payment_intent_id,
            "tutor": saga.tutor_id,
            "has_failed": transition.has_failed,
            "takes_over": int(transition.takes_over),
            "error": encode_error(transition.error),
            "hold_seconds": left,
            "owner": self._owner if transition.keep_lease else None,
            "keep_lease": transition.keep_lease,
            "await_payment": transition.await_payment,
            "retry_in": transition.retry_in,
            "lease": self._lease,
            "event": transition.event,
            "detail": transition.detail,
            "payment_status": payment.value if payment else None,
            "payment_context": saga.payment_context,
            "received": received.amount_minor if received else 0,
            "amount": price.amount_minor if price else None,
            "currency": price.currency if price else None,
            **outbox.end_values(transition, self._routes),
        }

    async def claim_due(self, saga_id: UUID, fence: int) -> Saga | None:
        """Own a saga whose wake-up has come, if nobody else was quicker."""
        return await self._claim(_CLAIM_DUE, saga_id, fence)

    async def claim_free(self, saga: Saga) -> Saga | None:
        """Own a saga that nobody runs now, whenever it would wake."""
        return await self._claim(_CLAIM_FREE, saga.id, saga.fence)

    async def _claim(self, statement: Any, saga_id: UUID, fence: int) -> Saga | None:
        values = {"id": saga_id, "fence": fence, "owner": self._owner, "lease": self._lease}
        return await self._saga(statement, values)

    async def renew(self, saga: Saga) -> bool:
        """Keep the lease for another term; False when the fence is lost."""
        values = {"id": saga.id, "fence": saga.fence, "owner": self._owner, "lease": self._lease}
        return bool(await self.database.rows(_RENEW, values))

    async def get(self, saga_id: UUID) -> Saga | None:
        return await self._saga(_GET, {"id": saga_id})

    async def by_sold(self, sold_id: UUID) -> Saga | None:
        """The saga that sells this booking or enrollment."""
        return await self._saga(_BY_SOLD, {"id": sold_id})

    async def by_intent(self, intent_id: str, named: UUID | None) -> Saga | None:
        """The saga whose intent this is; else the one that the intent names, as anybody can at the provider."""
        return await self._saga(_BY_INTENT, {"intent": intent_id, "saga": named})

    async def completed_with(self, intent_ids: list[str]) -> set[str]:
        """Those of these intents that are the intent of a saga which is COMPLETED."""
        rows = await self.database.rows(_COMPLETED, {"intents": intent_ids})
        return {row.payment_intent_id for row in rows}

    async def open_for(self, order: Order) -> Saga | None:
        """The student's open saga for this tutor and time, or for this course."""
        statement = _OPEN_FOR_SLOT if isinstance(order, LessonOrder) else _OPEN_FOR_COURSE
        return await self._saga(statement, {"student": order.student_id, **_ordered(order)})

    async def due(self, most: int, known: frozenset[tuple[str, int]]) -> list[tuple[UUID, int, bool]]:
        """Sagas of known kinds and versions whose wake-up has come, read without locks.

        Each is (id, fence, was_leased): its last owner never gave its lease back.
        """
        kinds, versions = [kind for kind, _ in known], [version for _, version in known]
        rows = await self.database.rows(_DUE, {"most": most, "kinds": kinds, "versions": versions})
        return [(row.id, row.fence, row.was_leased) for row in rows]

    async def signal(self, saga_id: UUID) -> bool:
        """Tell a saga that something happened outside; False when it has ended or is parked."""
        return await self._row(_SIGNAL, {"id": saga_id}) is not None

    async def may_look(self, saga_id: UUID, seconds: float) -> datetime | None:
        """When this look began, for one caller in so many seconds; None for the others."""
        rows = await self.database.rows(_MAY_LOOK, {"id": saga_id, "seconds": seconds})
        return rows[0].looked_at if rows else None

    async def end_look(self, saga: Saga, seen_paid: bool | None) -> None:
        """Write down what the provider said to the look of `saga.looked_at`, unless a later one has begun.

        It is no part of the saga: no fence guards it.
        """
        await self.database.rows(_END_LOOK, {"id": saga.id, "paid": seen_paid, "began": saga.looked_at})

    async def events(self, saga_id: UUID, most: int) -> list[Event]:
        rows = await self.database.rows(_EVENTS, {"id": saga_id, "most": most})
        return [Event(row.at, row.state, row.event, row.detail) for row in rows]

    async def waiting(self, older_than: float, after: UUID | None, most: int) -> Sequence[Saga]:
        """Sagas that have awaited their payment for this many seconds, in id order, after this id."""
        values = {"older": older_than, "after": after, "most": most}
        return [to_saga(row) for row in await self.database.rows(_WAITING, values)]

    async def _saga(self, statement: Any, values: dict[str, Any]) -> Saga | None:
        row = await self._row(statement, values)
        return to_saga(row) if row is not None else None

    async def _row(self, statement: Any, values: dict[str, Any]) -> Any:
        rows = await self.database.rows(statement, values)
        return rows[0] if rows else None


_NOTHING = {"tutor": None, "start": None, "minutes": None, "course": None, "session": None}


def _ordered(order: Order) -> dict[str, Any]:
    """The columns that say what is ordered."""
    if isinstance(order, LessonOrder):
        return {"tutor": order.tutor_id, "start": order.start, "minutes": order.minutes}
    return {"course": order.course_id}
