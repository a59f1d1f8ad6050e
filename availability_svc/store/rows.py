"""Pieces of SQL that several statements share, and functions that turn rows into domain objects."""

from __future__ import annotations

from typing import Any

from availability_svc.claim_states import LIVE
from availability_svc.domain import (
    Conflicts,
    Hold,
    HoldState,
    Offer,
    Order,
    Schedule,
    Span,
    Tombstone,
    Window,
    WorkingHours,
)
from availability_svc.hours import merge_windows
from mesh.money import Money

#: Only the database's clock decides. A statement reads it once, after the transaction has waited for its locks.
CLOCK = "clock as materialized (select clock_timestamp() as now)"

#: True of a claim whose hold ended at least `:grace` ago: another claimer may evict it.
LAPSED = "(c.state = 'HELD' and c.expires_at <= {now} - cast(:grace as interval))"

#: The time that a lesson occupies on the tutor's calendar; `domain.Schedule.tutor_span` says the same and why.
TUTOR_SPAN = "tstzrange({start}, {end} + make_interval(mins => {buffer}))"

#: The live claims of others that overlap `wanted (side, calendar_id, during)`.
CONFLICTS = f"""conflicts as (
    select c.id, wanted.side, {LAPSED.format(now="clock.now")} as lapsed
    from clock, wanted
    join claim c on c.calendar_id = wanted.calendar_id and c.during && wanted.during and c.{LIVE}
    where c.saga_id is distinct from cast(:saga_id as uuid)
)"""  # noqa: S608 - constants only

CONFLICT_COLUMNS = """
    (select array_agg(distinct id) filter (where lapsed) from conflicts) as lapsed,
    exists (select from conflicts where not lapsed and side = 'TUTOR') as on_tutor,
    exists (select from conflicts where not lapsed and side = 'STUDENT') as on_student"""

SCHEDULE = """s.tutor_id as teacher_id, s.timezone, s.weekly, s.notice_minutes, s.buffer_minutes, s.rate_minor,
    s.currency as rate_currency, s.windows, s.shortest_minutes, s.longest_minutes, s.start_every_minutes, s.days_ahead,
    s.display_name, s.listed"""

HOLD = """h.saga_id, h.state, h.tutor_id, h.student_id, h.start_at, h.end_at, h.buffer_minutes as hold_buffer,
    h.price_minor, h.currency as price_currency, h.block_id, h.expires_at"""


def as_schedule(row: Any) -> Schedule | None:
    """The schedule in a row of SCHEDULE; None when the tutor has none."""
    if row.teacher_id is None:
        return None
    return Schedule(
        row.teacher_id,
        WorkingHours(row.timezone, _published_windows(row)),
        row.notice_minutes,
        row.buffer_minutes,
        Money(row.rate_minor, row.rate_currency),
        Offer(row.shortest_minutes, row.longest_minutes, row.start_every_minutes, row.days_ahead),
        row.display_name,
        row.listed,
    )


def _published_windows(row: Any) -> tuple[Window, ...]:
    """The windows as published. A replica of the version before writes `weekly` alone: then these are what counts."""
    weekly, published = (tuple(Window(*ends) for ends in found or ()) for found in (row.weekly, row.windows))
    return published if merge_windows(published) == weekly else weekly


def as_hold(row: Any) -> Hold | Tombstone | None:
    """The hold or the tombstone in a row of HOLD; None when the saga is unknown."""
    if row.saga_id is None:
        return None
    if row.tutor_id is None:
        return Tombstone(row.saga_id)
    return Hold(
        order=Order(row.saga_id, row.tutor_id, row.student_id, Span(row.start_at, row.end_at)),
        buffer=row.hold_buffer,
        price=Money(row.price_minor, row.price_currency),
        block_id=row.block_id,
        expires_at=row.expires_at,
        state=HoldState(row.state),
    )


def as_conflicts(row: Any) -> Conflicts:
    return Conflicts(tuple(row.lapsed or ()), row.on_tutor, row.on_student)
