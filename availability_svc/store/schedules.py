"""The statements about schedules, and about the claimed time of one tutor."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from availability_svc.domain import Schedule, Span, Window
from availability_svc.hours import merge_windows
from availability_svc.store.rows import CLOCK, LAPSED, SCHEDULE, as_schedule
from availability_svc.tables import LIVE

_PUBLISH = text("""
    insert into schedule (tutor_id, timezone, weekly, windows, notice_minutes, buffer_minutes, rate_minor, currency,
        shortest_minutes, longest_minutes, start_every_minutes, days_ahead, display_name, listed)
    values (:tutor_id, :timezone, cast(:weekly as jsonb), cast(:windows as jsonb), :notice, :buffer, :rate_minor,
        :currency, :shortest, :longest, :start_every, :days_ahead, :display_name, :listed)
    on conflict (tutor_id) do update set timezone = excluded.timezone, weekly = excluded.weekly,
        windows = excluded.windows, notice_minutes = excluded.notice_minutes, buffer_minutes = excluded.buffer_minutes,
        rate_minor = excluded.rate_minor, currency = excluded.currency, shortest_minutes = excluded.shortest_minutes,
        longest_minutes = excluded.longest_minutes, start_every_minutes = excluded.start_every_minutes,
        days_ahead = excluded.days_ahead, display_name = excluded.display_name, listed = excluded.listed,
        updated_at = clock_timestamp()
""")
_FIND = text(f"select {SCHEDULE} from schedule s where s.tutor_id = :tutor_id")  # noqa: S608 - constants only
#: A listing may cost the database this much. Set for the transaction, so that no pooler undoes it or hands it on.
_TIME_LIMIT = text("set local statement_timeout = '1s'")
# Claims are read beyond the end of the range, because the buffer of the last slot lies there.
_BUSY = text(f"""
    with {CLOCK}, s as (select * from schedule where tutor_id = :tutor_id),
    listed (during) as (
        select tstzrange(:start, cast(:end as timestamptz) + make_interval(mins => s.buffer_minutes)) from s
    ),
    busy (during) as (
        select unnest(range_agg(c.during * listed.during)) from clock, listed, claim c
        where c.calendar_id = :tutor_id and c.{LIVE} and not {LAPSED.format(now="clock.now")}
          and c.during && listed.during
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
        offer, windows = schedule.offer, schedule.hours.windows
        values = {
            "tutor_id": schedule.tutor_id,
            "timezone": schedule.hours.timezone,
            "weekly": _as_json(merge_windows(windows)),
            "windows": _as_json(windows),
            "notice": schedule.notice,
            "buffer": schedule.buffer,
            "rate_minor": schedule.rate.amount_minor,
            "currency": schedule.rate.currency,
            "shortest": offer.shortest,
            "longest": offer.longest,
            "start_every": offer.start_every,
            "days_ahead": offer.days_ahead,
            "display_name": schedule.display_name,
            "listed": schedule.is_listed,
        }
        await self._connection.execute(_PUBLISH, values)

    async def find(self, tutor_id: UUID) -> Schedule | None:
        """The tutor's schedule; None when there is none."""
        row = (await self._connection.execute(_FIND, {"tutor_id": tutor_id})).one_or_none()
        return None if row is None else as_schedule(row)

    async def read_busy(
        self, tutor_id: UUID, within: Span, grace: timedelta
    ) -> tuple[Schedule, list[Span], datetime] | None:
        """The schedule, the claimed time in order, and the database's time; None for a tutor without a schedule.

        Claims that touch are one span. Each statement of the transaction may take a second; the database ends a longer one.
        """
        await self._connection.execute(_TIME_LIMIT)
        values = {"tutor_id": tutor_id, "start": within.start, "end": within.end, "grace": grace}
        row = (await self._connection.execute(_BUSY, values)).one_or_none()
        if row is None:
            return None
        schedule = as_schedule(row)
        assert schedule is not None  # without a schedule there is no row
        return schedule, [Span(*ends) for ends in zip(row.starts or (), row.ends or (), strict=True)], row.now


def _as_json(windows: Iterable[Window]) -> str:
    return json.dumps([[window.start, window.end] for window in windows])
