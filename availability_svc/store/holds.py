"""The statements about a saga's hold and its two claims."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from availability_svc.domain import CLAIMS_OF_A_HOLD, Conflicts, Hold, Order, Schedule, Tombstone
from availability_svc.limits import NOTHING_UNPAID, Standing, Terms
from availability_svc.store.calendars import LOCK_HOLD, Calendars
from availability_svc.store.rows import (
    CLOCK,
    CONFLICT_COLUMNS,
    CONFLICTS,
    HOLD,
    SCHEDULE,
    TUTOR_SPAN,
    as_conflicts,
    as_hold,
    as_schedule,
)
from availability_svc.store.standing import STANDING, STANDING_COLUMNS, as_standing, standing_values
from mesh.statements import text

_ORDERED_SPAN = TUTOR_SPAN.format(start=":start", end="cast(:end as timestamptz)", buffer="buffer_minutes")
_HELD_TUTOR_SPAN = TUTOR_SPAN.format(start="start_at", end="end_at", buffer="buffer_minutes")
_HELD_STUDENT_SPAN = "tstzrange(start_at, end_at)"

_SITUATION = text(f"""
    with {CLOCK},
    wanted (side, calendar_id, during) as (
        select 'TUTOR', tutor_id, {_ORDERED_SPAN} from schedule where tutor_id = :tutor_id
        union all select 'STUDENT', cast(:student_id as uuid), tstzrange(:start, :end)
    ),
    {CONFLICTS},
    {STANDING}
    select clock.now, {SCHEDULE}, {HOLD}, {CONFLICT_COLUMNS}, {STANDING_COLUMNS},
        (select version from calendar where id = :tutor_id) as tutor_version,
        (select version from calendar where id = :student_id) as student_version
    from clock left join schedule s on s.tutor_id = :tutor_id left join hold h on h.saga_id = :saga_id
""")  # noqa: S608 - constants only
_SITUATION_OF = text(f"""
    with {CLOCK},
    h as (select * from hold where saga_id = :saga_id),
    wanted (side, calendar_id, during) as (
        select 'TUTOR', tutor_id, {_HELD_TUTOR_SPAN} from h
        union all select 'STUDENT', student_id, {_HELD_STUDENT_SPAN} from h
    ),
    {CONFLICTS}
    select clock.now, {HOLD}, {CONFLICT_COLUMNS}, (select count(*) from claim where saga_id = :saga_id) as claim_count
    from clock left join h on true
""")  # noqa: S608 - constants only
# Locks both calendars in id order, and inserts those that are new. One with another version is locked, but not changed.
_INSERT = text(f"""
    with unchanged as (
        insert into calendar (id)
        select id from unnest(array[cast(:tutor_id as uuid), cast(:student_id as uuid)]) as id order by id
        on conflict (id) do update set version = calendar.version + 1
        where calendar.version
            = case calendar.id when :tutor_id then cast(:tutor_version as bigint) else cast(:student_version as bigint) end
        returning id
    ),
    made as (
        insert into hold (saga_id, state, tutor_id, student_id, start_at, end_at, buffer_minutes, price_minor, currency,
            block_id, expires_at)
        select :saga_id, 'HELD', :tutor_id, :student_id, :start, :end, :buffer, :price_minor, :currency,
            :block_id, :expires_at
        where (select count(*) from unchanged) = {CLAIMS_OF_A_HOLD}
        on conflict (saga_id) do nothing
        returning *
    )
    insert into claim (id, calendar_id, saga_id, role, during, state, expires_at)
    select block_id, tutor_id, saga_id, 'TUTOR', {_HELD_TUTOR_SPAN}, state, expires_at from made
    union all
    select cast(:student_claim as uuid), student_id, saga_id, 'STUDENT', {_HELD_STUDENT_SPAN}, state, expires_at from made
    returning id
""")  # noqa: S608 - constants only
# Each part needs the one before. So the claims are read, and locked, behind the calendars' locks, and the clock after both.
# What the statement saw when it began may be outdated by then: PostgreSQL looks again at a row that it locks or changes.
_CONFIRM = text(f"""
    with locked as materialized ({LOCK_HOLD}),
    claimed as materialized (
        select id from claim where saga_id = :saga_id and (select count(*) from locked) = {CLAIMS_OF_A_HOLD} for update
    ),
    confirmed as (
        update hold set state = 'CONFIRMED', confirmed_at = clock_timestamp()
        where saga_id = :saga_id and state = 'HELD' and (select count(*) from claimed) = {CLAIMS_OF_A_HOLD}
            and greatest(start_at, expires_at + cast(:grace as interval)) > clock_timestamp()
        returning saga_id, block_id
    )
    update claim set state = 'CONFIRMED', expires_at = null
    from confirmed where claim.saga_id = confirmed.saga_id returning confirmed.block_id
""")  # noqa: S608 - constants only
_FORGET = text("delete from claim where saga_id = :saga_id")
_CLAIM_AGAIN = text(f"""
    with won as (
        update hold set state = 'CONFIRMED', confirmed_at = clock_timestamp() where saga_id = :saga_id returning *
    ),
    claimed as (update calendar set version = version + 1 from won where id in (won.tutor_id, won.student_id))
    insert into claim (id, calendar_id, saga_id, role, during, state)
    select block_id, tutor_id, saga_id, 'TUTOR', {_HELD_TUTOR_SPAN}, state from won
    union all select cast(:student_claim as uuid), student_id, saga_id, 'STUDENT', {_HELD_STUDENT_SPAN}, state from won
""")  # noqa: S608 - constants only
_LEAVE_TOMBSTONE = text("""
    insert into hold (saga_id, state, released_at) values (:saga_id, 'RELEASED', clock_timestamp())
    on conflict (saga_id) do nothing returning saga_id
""")
_RELEASE = text("""
    with freed as (delete from claim where saga_id = :saga_id)
    update hold set state = 'RELEASED', released_at = clock_timestamp()
    where saga_id = :saga_id and state <> 'RELEASED'
""")


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions of the calendars of an order; None for one that has no row yet."""

    tutor: int | None
    student: int | None


@dataclass(frozen=True, slots=True)
class Situation:
    """The facts that decide about a hold, all read at one instant of the database's clock."""

    now: datetime
    hold: Hold | Tombstone | None
    conflicts: Conflicts
    schedule: Schedule | None = None
    standing: Standing = NOTHING_UNPAID
    versions: Versions = Versions(None, None)
    claim_count: int = 0


class HoldStore(Calendars):
    """Lock the calendars before any other method that changes something, except `leave_tombstone`.

    `insert` and `confirm` lock them too, so that each may be a transaction of its own.
    """

    async def read_situation(self, order: Order, terms: Terms) -> Situation:
        """The facts that decide about an order."""
        values = _order_values(order) | standing_values(order, terms) | {"grace": terms.grace}
        row = (await self._connection.execute(_SITUATION, values)).one()
        versions = Versions(row.tutor_version, row.student_version)
        return Situation(row.now, as_hold(row), as_conflicts(row), as_schedule(row), as_standing(row), versions)

    async def read_situation_of(self, saga_id: UUID, grace: timedelta) -> Situation:
        """The saga's hold, the number of its claims, and the claims of others that overlap its time."""
        row = (await self._connection.execute(_SITUATION_OF, {"saga_id": saga_id, "grace": grace})).one()
        return Situation(row.now, as_hold(row), as_conflicts(row), claim_count=row.claim_count)

    async def insert(self, hold: Hold, decided_at: Versions) -> bool:
        """Insert a hold and its claims. May violate claim_no_overlap.

        False when the saga has a row already, or when somebody has claimed from a calendar since it had this version.
        """
        values = _hold_values(hold) | {"tutor_version": decided_at.tutor, "student_version": decided_at.student}
        return bool(await self._connection.execute(_INSERT, values))

    async def confirm(self, saga_id: UUID, grace: timedelta) -> UUID | None:
        """Confirm a hold that has both claims, and return the id of the tutor's claim; None when nothing was changed.

        The lesson must not have begun, or the hold must have ended less than the grace ago.
        """
        rows = await self._connection.execute(_CONFIRM, {"saga_id": saga_id, "grace": grace})
        return rows[0].block_id if rows else None

    async def claim_again(self, saga_id: UUID) -> None:
        """Replace the saga's claims by two confirmed ones. May violate claim_no_overlap."""
        await self._connection.execute(_FORGET, {"saga_id": saga_id})
        await self._connection.execute(_CLAIM_AGAIN, {"saga_id": saga_id, "student_claim": uuid4()})

    async def leave_tombstone(self, saga_id: UUID) -> bool:
        """Insert a tombstone; False when the saga has a row already. Waits for a transaction that inserts its hold."""
        return bool(await self._connection.execute(_LEAVE_TOMBSTONE, {"saga_id": saga_id}))

    async def release(self, saga_id: UUID) -> None:
        """Delete the saga's claims and mark its hold as released."""
        await self._connection.execute(_RELEASE, {"saga_id": saga_id})


def _order_values(order: Order) -> dict[str, Any]:
    return {
        "saga_id": order.saga_id,
        "tutor_id": order.tutor_id,
        "student_id": order.student_id,
        "start": order.lesson.start,
        "end": order.lesson.end,
    }


def _hold_values(hold: Hold) -> dict[str, Any]:
    return _order_values(hold.order) | {
        "buffer": hold.buffer,
        "price_minor": hold.price.amount_minor,
        "currency": hold.price.currency,
        "block_id": hold.block_id,
        "expires_at": hold.expires_at,
        "student_claim": uuid4(),
    }
