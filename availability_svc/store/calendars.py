"""Calendars and the claims on them: locking, giving way, tidying, the auditor's list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from availability_svc.domain import Claim, ClaimState, Span
from availability_svc.store.rows import LAPSED

# All of them or none: with one missing, locking the other first would break the order.
_LOCK = text("""
    select id from calendar
    where id = any(cast(:ids as uuid[]))
      and (select count(*) from calendar where id = any(cast(:ids as uuid[]))) = cardinality(cast(:ids as uuid[]))
    order by id for update
""")
_OPEN = text("""
    insert into calendar (id) select id from unnest(cast(:ids as uuid[])) as id order by id on conflict (id) do nothing
""")
_LOCK_OF_SAGA = text("""
    select c.id from hold h join calendar c on c.id in (h.tutor_id, h.student_id)
    where h.saga_id = :saga_id order by c.id for update of c
""")
_EVICT = text("delete from claim where id = any(cast(:ids as uuid[]))")
# The sweeper holds calendars too, like everybody who changes claims, but waits for none.
_SWEEP = text(f"""
    delete from claim where id in (
        select c.id from claim c join calendar k on k.id = c.calendar_id
        where {LAPSED.format(now="now()")}
        order by c.expires_at limit :most for update skip locked
    )
""")  # noqa: S608 - constants only
_LIST = text("""
    select id, calendar_id, saga_id, state, lower(during) as start_at, upper(during) as end_at, expires_at
    from claim where cast(:after as uuid) is null or id > :after order by id limit :most
""")


class Calendars:
    """Everybody who changes claims holds the rows of their calendars, so claims stand still while one decides."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def lock(self, *calendars: UUID) -> None:
        """Lock these calendars one by one in id order, until the transaction ends; opens those that are new."""
        wanted = {"ids": sorted(calendars)}
        while not (await self._connection.execute(_LOCK, wanted)).all():
            await self._connection.execute(_OPEN, wanted)

    async def lock_of(self, saga_id: UUID) -> bool:
        """Lock both calendars of a saga's hold in id order; False when there is no hold (or only a tombstone)."""
        return bool((await self._connection.execute(_LOCK_OF_SAGA, {"saga_id": saga_id})).all())

    async def evict(self, lapsed: Sequence[UUID]) -> None:
        """Remove lapsed claims; their holds stay, and may win the time again when they are paid."""
        if lapsed:
            await self._connection.execute(_EVICT, {"ids": list(lapsed)})

    async def sweep(self, grace: timedelta, most: int) -> int:
        """Remove at most this many claims lapsed longer than the grace; how many there were."""
        return (await self._connection.execute(_SWEEP, {"grace": grace, "most": most})).rowcount

    async def claims(self, after: UUID | None, most: int) -> list[Claim]:
        """Claims behind this id, in id order."""
        rows = await self._connection.execute(_LIST, {"after": after, "most": most})
        return [
            Claim(
                row.id,
                row.calendar_id,
                row.saga_id,
                ClaimState(row.state),
                Span(row.start_at, row.end_at),
                row.expires_at,
            )
            for row in rows
        ]
