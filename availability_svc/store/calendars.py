"""The statements about calendars and claims in general: lock, evict, clean up, list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from availability_svc.claim_states import LIVE
from availability_svc.domain import Claim, ClaimState, Span
from availability_svc.store.rows import LAPSED
from mesh.database import Connection
from mesh.row_stamps import DELETED, Stamped, list_statements
from mesh.statements import text

# Locks all calendars or none. If it locked one while the other has no row yet, the id order would be broken.
_LOCK = text("""
    select id from calendar
    where id = any(cast(:ids as uuid[]))
      and (select count(*) from calendar where id = any(cast(:ids as uuid[]))) = cardinality(cast(:ids as uuid[]))
    order by id for update
""")
_OPEN = text("""
    insert into calendar (id) select id from unnest(cast(:ids as uuid[])) as id order by id on conflict (id) do nothing
""")
LOCK_HOLD = """
    select c.id from hold h join calendar c on c.id in (h.tutor_id, h.student_id)
    where h.saga_id = :saga_id order by c.id for update of c
"""
_LOCK_HOLD = text(LOCK_HOLD)
_EVICT = text("delete from claim where id = any(cast(:ids as uuid[]))")
# BookingHoldCleanupJob too locks the calendars whose claims it changes, but skips those that another transaction has locked.
_SWEEP = text(f"""
    delete from claim where id in (
        select c.id from claim c join calendar k on k.id = c.calendar_id
        where {LAPSED.format(now="now()")}
        order by c.expires_at limit :most for update skip locked
    ) returning id
""")  # noqa: S608 - constants only
_FORGET_BLOCKS = text("""
    with old as (
        select b.id from block b join calendar k on k.id = b.tutor_id
        where b.id in (
            (select id from block where removed_at <= now() - cast(:age as interval) limit :most)
            union (select id from block where end_at <= now() - cast(:age as interval) limit :most)
        )
        limit :most for update of b, k skip locked
    ),
    freed as (delete from claim where id in (select id from old))
    delete from block where id in (select id from old) returning id
""")
_LIST = text("""
    select id, calendar_id, saga_id, state, lower(during) as start_at, upper(during) as end_at, expires_at
    from claim where id > coalesce(cast(:after as uuid), '00000000-0000-0000-0000-000000000000') order by id limit :most
""")
# Every claim overlaps itself.
_OVERLAPPING = text(f"""
    select distinct other.* from claim mine, lateral (
        select id, calendar_id, saga_id, state, lower(during) as start_at, upper(during) as end_at, expires_at
        from claim where calendar_id = mine.calendar_id and during && mine.during and {LIVE} offset 0
    ) other
    where mine.id = any(cast(:ids as uuid[])) or mine.saga_id = any(cast(:ids as uuid[]))
    order by other.id
""")  # noqa: S608 - constants only
STAMPED = (Stamped("claim", "array[cast(coalesce(saga_id, id) as text)]"), DELETED)
CHANGED = list_statements(*STAMPED)


class Calendars:
    """A transaction that changes claims locks the rows of their calendars, so that no other can change them meanwhile."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock(self, *calendars: UUID) -> None:
        """Lock these calendars in id order until the transaction ends; insert the rows of new ones."""
        wanted = {"ids": sorted(calendars)}
        while not (await self._connection.execute(_LOCK, wanted)).all():
            await self._connection.execute(_OPEN, wanted)

    async def lock_hold(self, saga_id: UUID) -> bool:
        """Lock both calendars of a saga's hold in id order; False when there is no hold (or only a tombstone)."""
        return bool((await self._connection.execute(_LOCK_HOLD, {"saga_id": saga_id})).all())

    async def evict(self, lapsed: Sequence[UUID]) -> None:
        """Delete lapsed claims. Their holds stay, and can claim the time again if they are paid."""
        if lapsed:
            await self._connection.execute(_EVICT, {"ids": list(lapsed)})

    async def delete_lapsed(self, grace: timedelta, most: int) -> int:
        """Delete at most `most` claims that lapsed longer than the grace ago, and return how many were deleted."""
        return len(await self._connection.execute(_SWEEP, {"grace": grace, "most": most}))

    async def forget_blocks(self, age: timedelta, most: int) -> int:
        """Delete at most `most` blocks that were removed or over at least this long ago; how many were deleted."""
        return len(await self._connection.execute(_FORGET_BLOCKS, {"age": age, "most": most}))

    async def list_claims(self, after: UUID | None, most: int) -> list[Claim]:
        """Claims behind this id, in id order."""
        return [_as_claim(row) for row in await self._connection.execute(_LIST, {"after": after, "most": most})]

    async def list_overlapping(self, ids: Sequence[UUID]) -> list[Claim]:
        """The claims that have one of these ids or sagas, and every claim that overlaps one of them on its calendar."""
        return [_as_claim(row) for row in await self._connection.execute(_OVERLAPPING, {"ids": list(ids)})]


def _as_claim(row: Any) -> Claim:
    state, during = ClaimState(row.state), Span(row.start_at, row.end_at)
    return Claim(row.id, row.calendar_id, row.saga_id, state, during, row.expires_at)
