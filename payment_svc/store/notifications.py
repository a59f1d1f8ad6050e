"""Messages on their way, in PostgreSQL: one owner at a time, in order per booking and lane, buried when given up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from mesh.database import Database
from payment_svc.domain.messages import Audience, DeliveryStatus, Lane, Message
from payment_svc.store.rows import loads

#: How long what is settled can be seen.
KEEP_DELIVERED_DAYS, KEEP_DEAD_DAYS = 7, 90

_DUE = text("""
    select id, audience, wake_at from notification
    where channel = :channel and wake_at <= clock_timestamp() order by wake_at, seq limit :most
""")
# Who has an earlier one before it in its lane is put off until that one is due; its end wakes it (see _NEXT).
_CLAIM = text("""
    with mine as (
        select * from notification where id = :id and channel = :channel and audience = :audience
    ), before as (
        select count(*) as held_up, max(e.wake_at) as until
        from mine m join notification e
          on e.subject_id = m.subject_id and e.channel = m.channel and e.audience = m.audience and e.seq < m.seq
        where e.wake_at is not null
    )
    update notification n set
        attempt = n.attempt + cast(before.held_up = 0 as int),
        tried_since = case when before.held_up = 0 then coalesce(n.tried_since, clock_timestamp()) else n.tried_since end,
        wake_at = case when before.held_up = 0 then clock_timestamp() + make_interval(secs => :seconds)
                       else greatest(before.until, clock_timestamp() + interval '0.1 seconds') end
    from before
    where n.id = :id and n.channel = :channel and n.audience = :audience and n.wake_at = :seen
    returning n.*, before.held_up, extract(epoch from clock_timestamp() - n.tried_since) as seconds_tried
""")
_SETTLE = """
    with settled as (
        update notification set status = :status, settled_at = clock_timestamp(), wake_at = null, error = :error
        where id = :id and channel = :channel and audience = :audience and attempt = :attempt and status = 'PENDING'
        returning *
    )"""
_NEXT = """
    update notification n set wake_at = clock_timestamp() from settled s
    where n.subject_id = s.subject_id and n.channel = s.channel and n.audience = s.audience and n.seq > s.seq
      and n.wake_at > clock_timestamp() and n.attempt = 0
"""
_SETTLED = text(_SETTLE + _NEXT)
_BACK_OFF = text("""
    update notification set wake_at = clock_timestamp() + make_interval(secs => :seconds), error = :error
    where id = :id and channel = :channel and audience = :audience and attempt = :attempt and status = 'PENDING'
""")
_LIST = text("""
    select *, 0 as seconds_tried from notification
    where (cast(:status as text) = '' or status = :status)
      and (cast(:subject as uuid) is null or subject_id = :subject)
      and (cast(:before as bigint) is null or seq < :before)
    order by seq desc limit :most
""")
_REVIVE = text("""
    update notification set status = 'PENDING', settled_at = null, tried_since = null, wake_at = clock_timestamp()
    where (id, channel, audience) in (
        select id, channel, audience from notification
        where status = 'DEAD' and (cast(:id as uuid) is null or id = :id) order by seq limit :most
    ) and status = 'DEAD' returning id
""")
_EXISTS = text("select 1 from notification where id = :id limit 1")
_PRUNE = text("""
    delete from notification where (id, channel, audience) in (
        select id, channel, audience from notification
        where settled_at < clock_timestamp() - make_interval(days => :delivered) and status = 'DELIVERED'
           or settled_at < clock_timestamp() - make_interval(days => :dead)
        limit :most
    ) returning id
""")


@dataclass(frozen=True, slots=True)
class Due:
    """A message whose time has come, as somebody saw it."""

    id: UUID
    lane: Lane
    wake_at: datetime


class NotificationStore:
    """Whoever writes names the attempt it stands for, so that a stalled owner's late word changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, channel: str, most: int) -> list[Due]:
        """A channel's messages whose time has come, read without locks."""
        rows = await self._database.rows(_DUE, {"channel": channel, "most": most})
        return [Due(row.id, Lane(channel, Audience(row.audience)), row.wake_at) for row in rows]

    async def claim(self, due: Due, seconds: float) -> Message | None:
        """Own a message for this long; None when somebody was quicker, or an earlier one of its lane is on its way."""
        values = {**_key(due.id, due.lane), "seen": due.wake_at, "seconds": seconds}
        rows = await self._database.rows(_CLAIM, values)
        return _message(rows[0]) if rows and not rows[0].held_up else None

    async def delivered(self, message: Message) -> None:
        """It has been taken. The next of its lane may go."""
        await self._database.rows(_SETTLED, _values(message, "") | {"status": DeliveryStatus.DELIVERED.value})

    async def bury(self, message: Message, error: str) -> None:
        """It is given up. The next of its lane may go."""
        await self._database.rows(_SETTLED, _values(message, error) | {"status": DeliveryStatus.DEAD.value})

    async def back_off(self, message: Message, error: str, seconds: float) -> None:
        await self._database.rows(_BACK_OFF, _values(message, error) | {"seconds": seconds})

    async def list(
        self, status: DeliveryStatus | None, about: UUID | None, before: int | None, most: int
    ) -> list[Message]:
        """Newest first, below a seq; of one status or all, about one booking or all."""
        values = {"status": status or "", "subject": about, "before": before, "most": most}
        return [_message(row) for row in await self._database.rows(_LIST, values)]

    async def exists(self, message_id: UUID) -> bool:
        return bool(await self._database.rows(_EXISTS, {"id": message_id}))

    async def revive(self, message_id: UUID | None, most: int) -> int:
        """Let dead ones be tried again, oldest first: a message's on every lane, or (None) everybody's; how many."""
        return len(await self._database.rows(_REVIVE, {"id": message_id, "most": most}))

    async def prune(self, most: int) -> int:
        """Forget what was settled long ago; how many."""
        values = {"delivered": KEEP_DELIVERED_DAYS, "dead": KEEP_DEAD_DAYS, "most": most}
        return len(await self._database.rows(_PRUNE, values))


def _key(message_id: UUID, lane: Lane) -> dict[str, Any]:
    return {"id": message_id, "channel": lane.channel, "audience": lane.audience.value}


def _values(message: Message, error: str) -> dict[str, Any]:
    return {**_key(message.id, message.lane), "attempt": message.attempt, "error": error}


def _message(row: Row[Any]) -> Message:
    return Message(
        id=row.id,
        lane=Lane(row.channel, Audience(row.audience)),
        seq=row.seq,
        type=row.type,
        subject_id=row.subject_id,
        data=loads(row.data),
        created_at=row.created_at,
        attempt=row.attempt,
        status=DeliveryStatus(row.status),
        error=row.error,
        wake_at=row.wake_at,
        seconds_tried=float(row.seconds_tried or 0),
    )
