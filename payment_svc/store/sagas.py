"""Sagas in PostgreSQL: begun once, owned by a lease, moved by one statement that repeats the fence."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from mesh.database import Database
from payment_svc.domain import ENDS, CourseOrder, Event, Move, Order, Saga, State
from payment_svc.domain.messages import Lane
from payment_svc.store import outbox
from payment_svc.store.rows import to_saga

_BEGIN = text("""
    with begun as (
        insert into saga (id, kind, version, state, request_hash, context, student_id, tutor_id, time_slot, minutes,
                          course_id, booking_id, session_id, payment_id, lease_owner, lease_until, wake_at)
        values (:id, :kind, :version, 'AWAITING_AVAILABILITY', :hash, cast(:context as jsonb), :student, :tutor, :start,
                :minutes, :course, :booking, :session, :payment, :owner,
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

# Who moves repeats the fence, what it has seen of the news, and when the row was last moved; no row means that one of
# them is out of date. The last is for a move that was committed without an answer: its repeat finds that it has been made.
_MOVE = """
    with moved as (
        update saga set
            state = :state,
            fence = fence + cast(:takes_over as int),
            is_complete = :complete,
            context = cast(:context as jsonb),
            payment_intent_id = coalesce(cast(:intent as text), payment_intent_id),
            tutor_id = coalesce(tutor_id, cast(:tutor as uuid)),
            attempt = case when :failed_attempt then attempt + 1 else 0 end,
            error = cast(:error as jsonb),
            hold_ends = coalesce(hold_ends, clock_timestamp() + make_interval(secs => cast(:hold_seconds as float8))),
            state_since = case when state = :state then state_since else clock_timestamp() end,
            updated_at = clock_timestamp(),
            lease_owner = cast(:owner as text),
            lease_until = case when :drive_on then clock_timestamp() + make_interval(secs => :lease) end,
            wake_at = case
                when :drive_on then clock_timestamp() + make_interval(secs => :lease)
                when :wait then coalesce(hold_ends,
                                         clock_timestamp() + make_interval(secs => cast(:hold_seconds as float8)))
                else least(clock_timestamp() + make_interval(secs => cast(:sleep as float8)),
                           case when cast(:state as text) = 'AWAITING_PAYMENT' and hold_ends > clock_timestamp()
                               then hold_ends end)
            end
        where id = :id and fence = :fence and news = :news and updated_at = :seen and not is_complete
        returning *, clock_timestamp() as loaded_at
    ), heard as (
        update stripe_event set status = 'DONE', processed_at = clock_timestamp()
        where saga_id = (select id from moved) and status = 'NEWS'
    )"""
_TELL = """, told as (
        insert into saga_event (saga_id, state, event, detail)
        select id, state, cast(:event as text), cast(:detail as text) from moved
    )"""
_PAY = """, paid as (
        insert into payment (id, saga_id, booking_id, session_id, student_id, tutor_id, amount_minor, currency, status,
                             context, context_id, payment_intent_id, received_minor)
        select payment_id, id, booking_id, session_id, student_id, tutor_id, cast(:amount as bigint), :currency,
               cast(:payment_status as text), :payment_context, coalesce(course_id, session_id), payment_intent_id,
               :received
        from moved
        on conflict (id) do update set status = excluded.status, received_minor = excluded.received_minor
        where payment.status <> 'SUCCEEDED'
    )"""
_FREE_KEY = """, freed as (
        delete from idempotency_key where saga_id = (select id from moved)
    )"""
_RETURN = " select * from moved"

_CLAIM = """
    update saga set fence = fence + 1, lease_owner = :owner,
        lease_until = clock_timestamp() + make_interval(secs => :lease),
        wake_at = clock_timestamp() + make_interval(secs => :lease)
    where id = :id and fence = :fence and not is_complete and state <> 'PARKED'
"""
_RETURNING = " returning *, clock_timestamp() as loaded_at"
_CLAIM_DUE = text(_CLAIM + "and wake_at <= clock_timestamp()" + _RETURNING)
_CLAIM_FREE = text(_CLAIM + "and (lease_until is null or lease_until <= clock_timestamp())" + _RETURNING)

_RENEW = text("""
    update saga set lease_until = clock_timestamp() + make_interval(secs => :lease),
        wake_at = clock_timestamp() + make_interval(secs => :lease)
    where id = :id and fence = :fence and lease_owner = :owner
""")

_GET = text("select *, clock_timestamp() as loaded_at from saga where id = :id")
_BY_BOOKING = text(
    "select *, clock_timestamp() as loaded_at from saga where booking_id = :id order by created_at limit 1"
)
_BY_SLOT = text("""
    select *, clock_timestamp() as loaded_at from saga
    where student_id = :student and tutor_id = :tutor and time_slot = :start and not is_complete
      and kind = 'BookAndPayForSessionSaga'
""")
_BY_COURSE = text("""
    select *, clock_timestamp() as loaded_at from saga
    where student_id = :student and course_id = :course and not is_complete and kind = 'EnrollInCourseSaga'
""")
_EVENTS = text("select at, state, event, detail from saga_event where saga_id = :id order by seq limit :most")
_STALE_WAITS = text("""
    select *, clock_timestamp() as loaded_at from saga
    where state = 'AWAITING_PAYMENT' and state_since <= clock_timestamp() - make_interval(secs => :older)
      and (cast(:after as uuid) is null or id > :after)
    order by id limit :most
""")
_DUE = text("""
    select id, fence from saga
    where wake_at <= clock_timestamp()
      and (kind, version) in (select * from unnest(cast(:kinds as text[]), cast(:versions as int[])))
    order by wake_at limit :most
""")
_WAKE = text("""
    update saga set wake_at = case when lease_until > clock_timestamp() then wake_at else clock_timestamp() end,
        news = news + 1
    where id = :id and not is_complete and state <> 'PARKED'
    returning id
""")


class SagaStore:
    """Every write names the fence of the owner it comes from, so that a stalled owner's late write changes nothing."""

    def __init__(self, database: Database, owner: str, lease_seconds: float, lanes: Sequence[Lane] = ()) -> None:
        self.database, self._owner, self._lease, self._lanes = database, owner, lease_seconds, lanes

    async def begin(
        self,
        order: Order | CourseOrder,
        *,
        kind: str,
        version: int,
        ids: dict[str, UUID],
        digest: bytes,
        context: dict[str, Any],
    ) -> Saga:
        """A new saga with its lease taken. Raises KeyUsed or OpenAlready when there is one for this wish already."""
        values = {
            **_NOTHING,
            **_thing(order),
            **ids,
            "kind": kind,
            "version": version,
            "hash": digest,
            "context": json.dumps(context),
            "student": order.student_id,
            "key": order.key,
            "owner": self._owner,
            "lease": self._lease,
        }
        return to_saga((await self.database.rows(_BEGIN, values))[0])

    async def move(self, move: Move) -> Saga | None:
        """Commit a move, once; None when the fence is lost, there is news that the mover has not seen, or it is a repeat."""
        return await self.database.statement(lambda connection: self.move_in(connection, move))

    async def move_in(self, connection: AsyncConnection, move: Move) -> Saga | None:
        """The same inside a transaction of the caller's."""
        told = outbox.of_move(move, self._lanes)
        row = (await connection.execute(_statement(move, bool(told)), self._values(move) | told)).one_or_none()
        return to_saga(row) if row is not None else None

    def _values(self, move: Move) -> dict[str, Any]:
        saga, price = move.saga, move.saga.price
        left = None if saga.hold_ends_monotonic is None else saga.hold_ends_monotonic - time.monotonic()
        values: dict[str, Any] = {
            "id": saga.id,
            "fence": saga.fence,
            "news": saga.news,
            "seen": saga.updated_at,
            "state": move.state.value,
            "complete": move.state in ENDS,
            "context": json.dumps(saga.context),
            "intent": saga.payment_intent_id,
            "tutor": saga.tutor_id,
            "failed_attempt": move.failed_attempt,
            "takes_over": int(move.takes_over),
            "error": json.dumps(move.error) if move.error else None,
            "hold_seconds": left,
            "owner": self._owner if move.drive_on else None,
            "drive_on": move.drive_on,
            "wait": move.wait,
            "sleep": move.sleep,
            "lease": self._lease,
        }
        if move.event:
            values |= {"event": move.event, "detail": move.detail}
        if move.payment is not None:
            assert price is not None
            values |= {
                "payment_status": move.payment.value,
                "payment_context": saga.payment_context,
                "received": move.received.amount_minor if move.received else 0,
                "amount": price.amount_minor,
                "currency": price.currency,
            }
        return values

    async def claim_due(self, saga_id: UUID, fence: int) -> Saga | None:
        """Own a saga whose wake-up has come, if nobody else was quicker."""
        return await self._claim(_CLAIM_DUE, saga_id, fence)

    async def claim_free(self, saga: Saga) -> Saga | None:
        """Own a saga that nobody drives now, whenever it would wake."""
        return await self._claim(_CLAIM_FREE, saga.id, saga.fence)

    async def _claim(self, statement: Any, saga_id: UUID, fence: int) -> Saga | None:
        values = {"id": saga_id, "fence": fence, "owner": self._owner, "lease": self._lease}
        return await self._saga(statement, values)

    async def renew(self, saga: Saga) -> bool:
        """Hold the lease for another term; False when the fence is lost."""
        values = {"id": saga.id, "fence": saga.fence, "owner": self._owner, "lease": self._lease}

        async def work(connection: AsyncConnection) -> bool:
            return (await connection.execute(_RENEW, values)).rowcount == 1

        return await self.database.statement(work)

    async def get(self, saga_id: UUID) -> Saga | None:
        return await self._saga(_GET, {"id": saga_id})

    async def by_booking(self, booking_id: UUID) -> Saga | None:
        """The saga that sells this booking."""
        return await self._saga(_BY_BOOKING, {"id": booking_id})

    async def open_for(self, order: Order | CourseOrder) -> Saga | None:
        """The student's open saga for this tutor and time, or for this course."""
        statement = _BY_SLOT if isinstance(order, Order) else _BY_COURSE
        return await self._saga(statement, {"student": order.student_id, **_thing(order)})

    async def due(self, most: int, known: frozenset[tuple[str, int]]) -> list[tuple[UUID, int]]:
        """Sagas of known kinds and versions whose wake-up has come, read without locks: (id, fence)."""
        kinds, versions = [kind for kind, _ in known], [version for _, version in known]
        rows = await self.database.rows(_DUE, {"most": most, "kinds": kinds, "versions": versions})
        return [(row.id, row.fence) for row in rows]

    async def wake(self, saga_id: UUID) -> bool:
        """Tell a saga that there is news to look at; False when it has ended or is parked."""
        return await self._row(_WAKE, {"id": saga_id}) is not None

    async def events(self, saga_id: UUID, most: int) -> list[Event]:
        rows = await self.database.rows(_EVENTS, {"id": saga_id, "most": most})
        return [Event(row.at, row.state, row.event, row.detail) for row in rows]

    async def waiting(self, older_than: float, after: UUID | None, most: int) -> Sequence[Saga]:
        """Sagas that have awaited their payment for this many seconds, in id order, behind a place."""
        values = {"older": older_than, "after": after, "most": most}
        return [to_saga(row) for row in await self.database.rows(_STALE_WAITS, values)]

    async def _saga(self, statement: Any, values: dict[str, Any]) -> Saga | None:
        row = await self._row(statement, values)
        return to_saga(row) if row is not None else None

    async def _row(self, statement: Any, values: dict[str, Any]) -> Any:
        rows = await self.database.rows(statement, values)
        return rows[0] if rows else None


_NOTHING = {"tutor": None, "start": None, "minutes": None, "course": None, "session": None}


def _thing(order: Order | CourseOrder) -> dict[str, Any]:
    """The columns that say what is wanted."""
    if isinstance(order, Order):
        return {"tutor": order.tutor_id, "start": order.start, "minutes": order.minutes}
    return {"course": order.course_id}


_statements: dict[tuple[bool, bool, bool, bool], Any] = {}


def _statement(move: Move, told: bool) -> Any:
    """The statement for this kind of move; each variant is built, and prepared by the driver, once."""
    variant = (bool(move.event), move.payment is not None, move.state is State.REJECTED, told)
    if variant not in _statements:
        parts = (_TELL, _PAY, _FREE_KEY, outbox.TELL_OF_MOVE)
        also = "".join(part for part, wanted in zip(parts, variant, strict=True) if wanted)
        _statements[variant] = text(_MOVE + also + _RETURN)
    return _statements[variant]
