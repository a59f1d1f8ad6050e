"""The SQL that counts what two people have unpaid. The statement that uses it has `clock` and holds the calendars' locks."""

from __future__ import annotations

from typing import Any

from availability_svc.domain import Order
from availability_svc.limits import LAPSES_WITHIN, Standing, Terms

_MINUTES = "coalesce(extract(epoch from {total}) / 60, 0)::integer"
_UNPAID = "c.state = 'HELD' and c.expires_at > clock.now"

#: What the student has unpaid, what the tutor has, and when holds of the student ended unpaid. A free lesson that was
#: taken back counts as one of these. Only recent rows are read: a hold lasts no longer than `:hold`.
STANDING = f"""mine as (
    select c.state = 'HELD' as is_held, h.tutor_id = :tutor_id as is_here, h.end_at - h.start_at as length
    from clock, claim c join hold h on h.saga_id = c.saga_id
    where c.calendar_id = :student_id and c.role = 'STUDENT' and c.during && tstzrange(clock.now, null)
        and ({_UNPAID} or c.state = 'CONFIRMED' and h.price_minor = 0 and h.start_at > clock.now)
),
held_of_tutor as (
    select h.end_at - h.start_at as length from clock, claim c join hold h on h.saga_id = c.saga_id
    where c.calendar_id = :tutor_id and c.role = 'TUTOR' and {_UNPAID}
),
lapsed as (
    select case when confirmed_at is null then least(expires_at, released_at) else released_at end as at
    from clock, hold
    where student_id = :student_id and (confirmed_at is null or price_minor = 0)
        and (state = 'RELEASED' or state = 'HELD' and expires_at <= clock.now)
        and created_at > clock.now - cast(:within as interval) - cast(:pause as interval) - cast(:hold as interval)
),
counted as (
    select at, count(*) over (order by at range between cast(:within as interval) preceding and current row) as number
    from lapsed
)"""  # noqa: S608 - constants only

STANDING_COLUMNS = f"""
    (select count(*) from mine where is_held) as unpaid_holds,
    (select {_MINUTES.format(total="sum(length)")} from mine) as unpaid_minutes,
    (select {_MINUTES.format(total="sum(length) filter (where is_here)")} from mine) as unpaid_minutes_here,
    (select {_MINUTES.format(total="sum(length)")} from held_of_tutor) as unpaid_minutes_of_tutor,
    exists (
        select from hold
        where student_id = :student_id and state = 'CONFIRMED' and confirmed_at is not null and price_minor > 0
    ) as has_paid,
    exists (select from counted, clock where number >= :lapses and at > clock.now - cast(:pause as interval)) as is_paused
"""  # noqa: S608 - constants only


def standing_values(order: Order, terms: Terms) -> dict[str, Any]:
    return {
        "tutor_id": order.tutor_id,
        "student_id": order.student_id,
        "within": LAPSES_WITHIN,
        "pause": terms.limits.pause,
        "hold": terms.hold,
        "lapses": terms.limits.lapses,
    }


def as_standing(row: Any) -> Standing:
    return Standing(
        holds=row.unpaid_holds,
        minutes=row.unpaid_minutes,
        minutes_here=row.unpaid_minutes_here,
        minutes_of_tutor=row.unpaid_minutes_of_tutor,
        has_paid=row.has_paid,
        is_paused=row.is_paused,
    )
