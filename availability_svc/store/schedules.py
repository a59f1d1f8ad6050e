"""The statements about schedules, and about the claimed time of one tutor."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from availability_svc.claim_states import LIVE
from availability_svc.domain import Schedule, Span, Window
from availability_svc.hours import merge_windows
from availability_svc.store.rows import CLOCK, LAPSED, SCHEDULE, as_schedule
from mesh.database import Connection
from mesh.statements import text

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
# Two statements instead of one condition with "or", so that a later page begins in the index too.
_LISTED = f"""
    with {CLOCK} select clock.now, {SCHEDULE} from clock, schedule s
    where s.listed and s.weekly <> '[]' {{behind}} order by s.tutor_id limit :most
"""  # noqa: S608 - constants only
_LISTED_FIRST, _LISTED_BEHIND = text(_LISTED.format(behind="")), text(_LISTED.format(behind="and s.tutor_id > :after"))
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
# The claims of several tutors, each until an end of its own.
_BUSY_OF_MANY = text(f"""
    with {CLOCK}, wanted (tutor_id, during) as (
        select tutor_id, tstzrange(:start, ending)
        from unnest(cast(:tutors as uuid[]), cast(:ends as timestamptz[])) as asked (tutor_id, ending)
    )
    select wanted.tutor_id, lower(busy.during) as starts, upper(busy.during) as ends
    from clock, wanted, lateral (
        select unnest(range_agg(c.during * wanted.during)) as during from claim c
        where c.calendar_id = wanted.tutor_id and c.{LIVE} and not {LAPSED.format(now="clock.now")}
          and c.during && wanted.during
    ) as busy
    order by wanted.tutor_id, starts
""")  # noqa: S608 - constants only


class ScheduleStore:
    """Schedules, one row per tutor."""

    def __init__(self, connection: Connection) -> None:
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

    async def list_listed(self, after: UUID | None, most: int) -> list[tuple[Schedule, datetime]]:
        """At most so many schedules behind this tutor, of tutors whom pages may list; each with the database's time."""
        values = {"most": most} if after is None else {"most": most, "after": after}
        statement = _LISTED_FIRST if after is None else _LISTED_BEHIND
        found = [(as_schedule(row), row.now) for row in await self._connection.execute(statement, values)]
        return [(schedule, now) for schedule, now in found if schedule is not None]

    async def read_busy_of_many(
        self, start: datetime, ends: Mapping[UUID, datetime], grace: timedelta
    ) -> dict[UUID, list[Span]]:
        """The claimed time of each of these tutors from `start` to their end, in order; touching claims are one span.

        It may take the database a second.
        """
        await self._connection.execute(_TIME_LIMIT)
        values = {"tutors": list(ends), "ends": list(ends.values()), "start": start, "grace": grace}
        busy: dict[UUID, list[Span]] = {tutor: [] for tutor in ends}
        for row in await self._connection.execute(_BUSY_OF_MANY, values):
            busy[row.tutor_id].append(Span(row.starts, row.ends))
        return busy


def _as_json(windows: Iterable[Window]) -> str:
    return json.dumps([[window.start, window.end] for window in windows])
