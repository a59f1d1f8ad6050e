"""Messages on their way, in PostgreSQL: one owner at a time, in order per purchase and route, DEAD when given up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mesh.database import Database, Row
from mesh.statements import text
from payment_svc.domain.messages import Audience, DeliveryRoute, DeliveryStatus, Message, SaleOfMessage
from payment_svc.store.rows import loads

#: How long a message stays after it was delivered or given up. The first is the shorter one (_PRUNE).
KEEP_DELIVERED_DAYS, KEEP_DEAD_DAYS = 7, 90

_DUE = text("""
    select id, audience, wake_at from notification
    where channel = :channel and wake_at <= now() order by wake_at, seq limit :most
""")
# A message waits for the earlier messages of its route: it sleeps until they are due, and their end wakes it
# (_WAKE_NEXT).
_CLAIM = text("""
    with mine as (
        select * from notification where id = :id and channel = :channel and audience = :audience
    ), sale as (
        select s.id, s.payment_id, s.traceparent
        from mine m join saga s on s.booking_id = m.subject_id where s.role = 'SALE' limit 1
    ), before as (
        select count(*) as queued_behind, max(e.wake_at) as until
        from mine m join notification e
          on e.subject_id = m.subject_id and e.channel = m.channel and e.audience = m.audience and e.seq < m.seq
        where e.wake_at is not null
    )
    update notification n set
        attempt = n.attempt + cast(before.queued_behind = 0 as int),
        tried_since = case when before.queued_behind = 0 then coalesce(n.tried_since, clock_timestamp())
                           else n.tried_since end,
        wake_at = case when before.queued_behind = 0 then clock_timestamp() + make_interval(secs => :seconds)
                       else greatest(before.until, clock_timestamp() + interval '0.1 seconds') end
    from before left join sale on true
    where n.id = :id and n.channel = :channel and n.audience = :audience and n.wake_at = :seen
    returning n.*, before.queued_behind, extract(epoch from clock_timestamp() - n.tried_since) as seconds_tried,
        sale.id as saga_id, sale.payment_id, sale.traceparent
""")
_END = """
    with ended as (
        update notification set status = :status, settled_at = clock_timestamp(), wake_at = null, error = :error
        where id = :id and channel = :channel and audience = :audience and attempt = :attempt and status = 'PENDING'
        returning *
    )"""
_WAKE_NEXT = """
    update notification n set wake_at = clock_timestamp() from ended s
    where n.subject_id = s.subject_id and n.channel = s.channel and n.audience = s.audience and n.seq > s.seq
      and n.wake_at > clock_timestamp() and n.attempt = 0
"""
# The message has come to its end, and the next one on its route is due.
_END_AND_WAKE_NEXT = text(_END + _WAKE_NEXT)
_BACK_OFF = text("""
    update notification set wake_at = clock_timestamp() + make_interval(secs => :seconds), error = :error
    where id = :id and channel = :channel and audience = :audience and attempt = :attempt and status = 'PENDING'
""")
# A statement for each status and question, so that each finds an index. The status is written out for the partial ones.
_OF_STATUS = {
    None: "",
    DeliveryStatus.PENDING: "and status = 'PENDING' and wake_at is not null",
    DeliveryStatus.DELIVERED: "and status = 'DELIVERED'",
    DeliveryStatus.DEAD: "and status = 'DEAD'",
}
_LISTS = {
    (status, is_about): text(f"""
        select *, 0 as seconds_tried from notification
        where seq < coalesce(cast(:before as bigint), {2**63 - 1}) {of_status}
          {"and subject_id = :subject" if is_about else ""}
        order by seq desc limit :most
    """)  # noqa: S608 - constants
    for status, of_status in _OF_STATUS.items()
    for is_about in (False, True)
}
_RETRY = text("""
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
        where settled_at < now() - make_interval(days => :delivered)
          and (status = 'DELIVERED' or settled_at < now() - make_interval(days => :dead))
        limit :most
    ) returning id
""")


@dataclass(frozen=True, slots=True)
class Due:
    """A message whose time has come, as it was read."""

    id: UUID
    route: DeliveryRoute
    wake_at: datetime


class NotificationStore:
    """Every write names the attempt that its writer began, so that a stalled owner's late write changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, channel: str, most: int) -> list[Due]:
        """A channel's messages whose time has come, read without locks."""
        rows = await self._database.rows(_DUE, {"channel": channel, "most": most})
        return [Due(row.id, DeliveryRoute(channel, Audience(row.audience)), row.wake_at) for row in rows]

    async def claim(self, due: Due, seconds: float) -> Message | None:
        """Own a message for this long; None when somebody was quicker, or an earlier one on its route is not done."""
        values = {**_key(due.id, due.route), "seen": due.wake_at, "seconds": seconds}
        rows = await self._database.rows(_CLAIM, values)
        return _message(rows[0], _sale(rows[0])) if rows and not rows[0].queued_behind else None

    async def mark_delivered(self, message: Message) -> None:
        """The message has been taken. The next one on its route is due."""
        await self._database.rows(_END_AND_WAKE_NEXT, _values(message, "") | {"status": DeliveryStatus.DELIVERED.value})

    async def mark_dead(self, message: Message, error: str) -> None:
        """The message is given up: a dead letter. The next one on its route is due."""
        await self._database.rows(_END_AND_WAKE_NEXT, _values(message, error) | {"status": DeliveryStatus.DEAD.value})

    async def back_off(self, message: Message, error: str, seconds: float) -> None:
        await self._database.rows(_BACK_OFF, _values(message, error) | {"seconds": seconds})

    async def list(
        self, status: DeliveryStatus | None, about: UUID | None, before: int | None, most: int
    ) -> list[Message]:
        """Newest first, below a seq; of one status or all, about one purchase or all."""
        values: dict[str, Any] = {"before": before, "most": most}
        if about is not None:
            values["subject"] = about
        return [_message(row) for row in await self._database.rows(_LISTS[status, about is not None], values)]

    async def exists(self, message_id: UUID) -> bool:
        return bool(await self._database.rows(_EXISTS, {"id": message_id}))

    async def retry_dead(self, message_id: UUID | None, most: int) -> int:
        """Make dead letters due again, oldest first: one message on every route, or (None) all; how many."""
        return len(await self._database.rows(_RETRY, {"id": message_id, "most": most}))

    async def prune(self, most: int) -> int:
        """Delete messages that ended long ago; how many."""
        values = {"delivered": KEEP_DELIVERED_DAYS, "dead": KEEP_DEAD_DAYS, "most": most}
        return len(await self._database.rows(_PRUNE, values))


def _key(message_id: UUID, route: DeliveryRoute) -> dict[str, Any]:
    return {"id": message_id, "channel": route.channel, "audience": route.audience.value}


def _values(message: Message, error: str) -> dict[str, Any]:
    return {**_key(message.id, message.route), "attempt": message.attempt, "error": error}


def _sale(row: Row) -> SaleOfMessage | None:
    """None of a purchase whose saga is no longer kept."""
    return SaleOfMessage(row.saga_id, row.payment_id, row.traceparent) if row.saga_id else None


def _message(row: Row, sale: SaleOfMessage | None = None) -> Message:
    return Message(
        id=row.id,
        route=DeliveryRoute(row.channel, Audience(row.audience)),
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
        sale=sale,
    )
