"""A saga's hold and its two claims."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from availability_svc.domain import Hold, InTheWay, Schedule, Tombstone, Wish
from availability_svc.store.calendars import Calendars
from availability_svc.store.rows import (
    CLOCK,
    HOLD,
    IN_THE_WAY,
    SCHEDULE,
    TAKEN,
    VERDICT,
    as_hold,
    as_in_the_way,
    as_schedule,
)

_WISHED = TAKEN.format(start=":start", end="cast(:end as timestamptz)", buffer="buffer_minutes")
_HELD = TAKEN.format(start="start_at", end="end_at", buffer="buffer_minutes")
_ATTENDED = "tstzrange(start_at, end_at)"

_STANDING = text(f"""
    with {CLOCK},
    wanted (side, calendar_id, during) as (
        select 'TUTOR', tutor_id, {_WISHED} from schedule where tutor_id = :tutor_id
        union all select 'STUDENT', cast(:student_id as uuid), tstzrange(:start, :end)
    ),
    {IN_THE_WAY}
    select clock.now, {SCHEDULE}, {HOLD}, {VERDICT},
        (select count(*) from claim where calendar_id = :student_id and role = 'STUDENT'
            and state = 'HELD' and expires_at > clock.now) as unpaid
    from clock left join schedule s on s.tutor_id = :tutor_id left join hold h on h.saga_id = :saga_id
""")  # noqa: S608 - constants only
_STANDING_OF = text(f"""
    with {CLOCK},
    h as (select * from hold where saga_id = :saga_id),
    wanted (side, calendar_id, during) as (
        select 'TUTOR', tutor_id, {_HELD} from h union all select 'STUDENT', student_id, {_ATTENDED} from h
    ),
    {IN_THE_WAY}
    select clock.now, {HOLD}, {VERDICT}, (select count(*) from claim where saga_id = :saga_id) as rows
    from clock left join h on true
""")  # noqa: S608 - constants only
_INSERT = text(f"""
    with made as (
        insert into hold (saga_id, state, tutor_id, student_id, start_at, end_at, buffer_minutes, price_minor, currency,
            block_id, expires_at)
        values (:saga_id, 'HELD', :tutor_id, :student_id, :start, :end, :buffer, :price_minor, :currency,
            :block_id, :expires_at)
        on conflict (saga_id) do nothing
        returning *
    )
    insert into claim (id, calendar_id, saga_id, role, during, state, expires_at)
    select block_id, tutor_id, saga_id, 'TUTOR', {_HELD}, state, expires_at from made
    union all
    select cast(:student_claim as uuid), student_id, saga_id, 'STUDENT', {_ATTENDED}, state, expires_at from made
    returning id
""")  # noqa: S608 - constants only
_CONFIRM = text("""
    with confirmed as (
        update hold set state = 'CONFIRMED', confirmed_at = clock_timestamp() where saga_id = :saga_id
    )
    update claim set state = 'CONFIRMED', expires_at = null where saga_id = :saga_id
""")
_FORGET = text("delete from claim where saga_id = :saga_id")
_WIN = text(f"""
    with won as (
        update hold set state = 'CONFIRMED', confirmed_at = clock_timestamp() where saga_id = :saga_id returning *
    )
    insert into claim (id, calendar_id, saga_id, role, during, state)
    select block_id, tutor_id, saga_id, 'TUTOR', {_HELD}, state from won
    union all select cast(:student_claim as uuid), student_id, saga_id, 'STUDENT', {_ATTENDED}, state from won
""")  # noqa: S608 - constants only
_BURY = text("""
    insert into hold (saga_id, state, released_at) values (:saga_id, 'RELEASED', clock_timestamp())
    on conflict (saga_id) do nothing
""")
_RELEASE = text("""
    with freed as (delete from claim where saga_id = :saga_id)
    update hold set state = 'RELEASED', released_at = clock_timestamp()
    where saga_id = :saga_id and state <> 'RELEASED'
""")


@dataclass(frozen=True, slots=True)
class HoldStanding:
    """Everything a claim is decided by, as it is at one instant of the database's clock."""

    now: datetime
    hold: Hold | Tombstone | None
    in_the_way: InTheWay
    schedule: Schedule | None = None
    unpaid: int = 0
    rows: int = 0


class HoldStore(Calendars):
    """Call with the calendars locked, except for `bury`."""

    async def standing(self, wish: Wish, grace: timedelta) -> HoldStanding:
        """What a wish meets."""
        row = (await self._connection.execute(_STANDING, _wish(wish) | {"grace": grace})).one()
        return HoldStanding(row.now, as_hold(row), as_in_the_way(row), schedule=as_schedule(row), unpaid=row.unpaid)

    async def standing_of(self, saga_id: UUID, grace: timedelta) -> HoldStanding:
        """What is left of a saga's claims, and what others have put in their place."""
        row = (await self._connection.execute(_STANDING_OF, {"saga_id": saga_id, "grace": grace})).one()
        return HoldStanding(row.now, as_hold(row), as_in_the_way(row), rows=row.rows)

    async def insert(self, hold: Hold) -> bool:
        """Insert a hold and its claims; False when the saga has a row already. Violates claim_no_overlap."""
        return len((await self._connection.execute(_INSERT, _hold(hold))).all()) == 2

    async def confirm(self, saga_id: UUID) -> None:
        """Confirm the claims where they are."""
        await self._connection.execute(_CONFIRM, {"saga_id": saga_id})

    async def win(self, saga_id: UUID) -> None:
        """Claim both calendars anew, confirmed. Violates claim_no_overlap."""
        await self._connection.execute(_FORGET, {"saga_id": saga_id})
        await self._connection.execute(_WIN, {"saga_id": saga_id, "student_claim": uuid4()})

    async def bury(self, saga_id: UUID) -> bool:
        """Leave a tombstone; False when the saga has a row already. Waits for a hold that is being inserted."""
        return (await self._connection.execute(_BURY, {"saga_id": saga_id})).rowcount == 1

    async def release(self, saga_id: UUID) -> None:
        """Free both calendars for good."""
        await self._connection.execute(_RELEASE, {"saga_id": saga_id})


def _wish(wish: Wish) -> dict[str, Any]:
    return {
        "saga_id": wish.saga_id,
        "tutor_id": wish.tutor_id,
        "student_id": wish.student_id,
        "start": wish.lesson.start,
        "end": wish.lesson.end,
    }


def _hold(hold: Hold) -> dict[str, Any]:
    return _wish(hold.wish) | {
        "buffer": hold.buffer,
        "price_minor": hold.price.amount_minor,
        "currency": hold.price.currency,
        "block_id": hold.block_id,
        "expires_at": hold.expires_at,
        "student_claim": uuid4(),
    }
