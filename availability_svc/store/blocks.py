"""The statements about blocks and their claims."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from availability_svc.domain import Block, Conflicts, Span
from availability_svc.store.calendars import Calendars
from availability_svc.store.rows import CLOCK, CONFLICT_COLUMNS, CONFLICTS, as_conflicts
from mesh.statements import text

_WANTED = """
    select 'TUTOR', cast(:tutor_id as uuid), tstzrange(start_at, end_at)
    from unnest(cast(:starts as timestamptz[]), cast(:ends as timestamptz[])) as requested (start_at, end_at)"""

_FIND_CONFLICTS = text(f"""
    with {CLOCK}, wanted (side, calendar_id, during) as ({_WANTED}), {CONFLICTS} select {CONFLICT_COLUMNS}
""")
_INSERT = text("""
    with made as (
        insert into block (id, tutor_id, start_at, end_at, reason, request_id, place)
        select id, cast(:tutor_id as uuid), start_at, end_at, reason, cast(:request_id as uuid), place
        from unnest(cast(:ids as uuid[]), cast(:starts as timestamptz[]), cast(:ends as timestamptz[]),
            cast(:reasons as text[])) with ordinality as requested (id, start_at, end_at, reason, place)
        returning *
    ),
    claimed as (update calendar set version = version + 1 where id = :tutor_id)
    insert into claim (id, calendar_id, role, during, state)
    select id, tutor_id, 'BLOCK', tstzrange(start_at, end_at), 'BLOCKED' from made
""")
_NOW = text("select clock_timestamp()")
_OF_REQUEST = text("""
    select id, start_at, end_at, reason from block
    where tutor_id = :tutor_id and request_id = :request_id order by place
""")
_COUNT = text(f"""
    with {CLOCK}
    select count(*) filter (where removed_at is null and end_at > clock.now) as live,
        count(*) filter (where removed_at is not null) as removed
    from clock, block where tutor_id = :tutor_id
""")  # noqa: S608 - constants only
_COMING = text("""
    select id, start_at, end_at, reason from block
    where tutor_id = :tutor_id and removed_at is null and end_at > clock_timestamp()
        and (cast(:at as timestamptz) is null or (start_at, id) > (:at, cast(:id as uuid)))
    order by start_at, id limit :most
""")
_REMOVE = text("""
    with freed as (delete from claim where id = :id and calendar_id = :tutor_id and role = 'BLOCK')
    update block set removed_at = coalesce(removed_at, clock_timestamp()) where id = :id and tutor_id = :tutor_id
    returning id
""")


class BlockStore(Calendars):
    """Lock the tutor's calendar before any other method except `list_coming`."""

    async def find_conflicts(self, tutor_id: UUID, spans: Sequence[Span], grace: timedelta) -> Conflicts:
        """The claims that overlap these spans of the tutor's calendar."""
        values = {"tutor_id": tutor_id, "saga_id": None, "grace": grace, **_columns(spans)}
        return as_conflicts((await self._connection.execute(_FIND_CONFLICTS, values)).one())

    async def insert(self, tutor_id: UUID, blocks: Sequence[Block], request_id: UUID | None) -> None:
        """Insert blocks and their claims. Violates claim_no_overlap."""
        values = {
            "tutor_id": tutor_id,
            "request_id": request_id,
            "ids": [block.id for block in blocks],
            "reasons": [block.reason for block in blocks],
            **_columns([block.span for block in blocks]),
        }
        await self._connection.execute(_INSERT, values)

    async def read_clock(self) -> datetime:
        """The database's time."""
        now: datetime = (await self._connection.execute(_NOW)).scalar_one()
        return now

    async def count(self, tutor_id: UUID) -> tuple[int, int]:
        """How many blocks of the tutor stand and have not ended, and how many removed ones are remembered."""
        row = (await self._connection.execute(_COUNT, {"tutor_id": tutor_id})).one()
        return row.live, row.removed

    async def find_of_request(self, tutor_id: UUID, request_id: UUID) -> list[Block]:
        """The blocks made under this request id, in the order of that request."""
        rows = await self._connection.execute(_OF_REQUEST, {"tutor_id": tutor_id, "request_id": request_id})
        return [_as_block(row) for row in rows]

    async def list_coming(self, tutor_id: UUID, after: tuple[datetime, UUID] | None, most: int) -> list[Block]:
        """At most so many blocks behind a cursor that stand and have not ended, in order of their start."""
        at, id_ = after or (None, None)
        values = {"tutor_id": tutor_id, "at": at, "id": id_, "most": most}
        return [_as_block(row) for row in await self._connection.execute(_COMING, values)]

    async def remove(self, tutor_id: UUID, block_id: UUID) -> bool:
        """Remove a block and free its time; False when the tutor never had such a block."""
        return bool(await self._connection.execute(_REMOVE, {"tutor_id": tutor_id, "id": block_id}))


def _as_block(row: Any) -> Block:
    return Block(row.id, Span(row.start_at, row.end_at), row.reason)


def _columns(spans: Sequence[Span]) -> dict[str, object]:
    return {"starts": [span.start for span in spans], "ends": [span.end for span in spans]}
