"""The statements about schedules, and about the claimed time of one tutor."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from availability_svc.domain import Schedule, Span
from availability_svc.store.rows import CLOCK, LAPSED, SCHEDULE, as_schedule
from availability_svc.tables import LIVE

_PUBLISH = text("""
    insert into schedule (tutor_id, timezone, weekly, notice_minutes, buffer_minutes, rate_minor, currency)
    values (:tutor_id, :timezone, cast(:weekly as jsonb), :notice, :buffer, :rate_minor, :currency)
    on conflict (tutor_id) do update set timezone = excluded.timezone, weekly = excluded.weekly,
        notice_minutes = excluded.notice_minutes, buffer_minutes = excluded.buffer_minutes,
        rate_minor = excluded.rate_minor, currency = excluded.currency, updated_at = clock_timestamp()
""")
# Claims are read beyond the end of the range, because the buffer of the last slot lies there.
_BUSY = text(f"""
    with {CLOCK}, s as (select * from schedule where tutor_id = :tutor_id),
    busy as (
        select c.during from clock, s, claim c
        where c.calendar_id = :tutor_id and c.{LIVE} and not {LAPSED.format(now="clock.now")}
          and c.during && tstzrange(:start, cast(:end as timestamptz) + make_interval(mins => s.buffer_minutes))
    )
    select clock.now, {SCHEDULE},
        (select array_agg(lower(during) order by during) from busy) as starts,
        (select array_agg(upper(during) order by during) from busy) as ends
    from clock, s
""")  # noqa: S608 - constants only


class ScheduleStore:
    """Schedules, one row per tutor."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def publish(self, schedule: Schedule) -> None:
        """Insert the tutor's schedule, or replace the one there is."""
        values = {
            "tutor_id": schedule.tutor_id,
            "timezone": schedule.hours.timezone,
            "weekly": json.dumps([[window.start, window.end] for window in schedule.hours.windows]),
            "notice": schedule.notice,
            "buffer": schedule.buffer,
            "rate_minor": schedule.rate.amount_minor,
            "currency": schedule.rate.currency,
        }
        await self._connection.execute(_PUBLISH, values)

    async def read_busy(
        self, tutor_id: UUID, within: Span, grace: timedelta
    ) -> tuple[Schedule, list[Span], datetime] | None:
        """The schedule, the claimed spans in order, and the database's time; None for a tutor without a schedule."""
        values = {"tutor_id": tutor_id, "start": within.start, "end": within.end, "grace": grace}
        row = (await self._connection.execute(_BUSY, values)).one_or_none()
        if row is None:
            return None
        schedule = as_schedule(row)
        assert schedule is not None  # without a schedule there is no row
        return schedule, [Span(*ends) for ends in zip(row.starts or (), row.ends or (), strict=True)], row.now
