"""The lock under which it is counted what a person has, and the SQL that counts a student's enrollments."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from learning_svc.domain import Terms
from mesh.database import Connection
from mesh.statements import text

_LOCK = text("select id from person where id = :id for update")
_OPEN = text("insert into person (id) values (:id) on conflict (id) do nothing")

#: True when the student has as many enrollments that wait for payment as one may have.
HAS_MOST = """(
    select count(*) from enrollment
    where student_id = :student_id and status = 'PAYMENT_REQUIRED' and hold_expires_at > clock_timestamp()
) >= :unpaid"""

#: True when too many enrollments of the student ended unpaid within an hour, a moment ago. One in a free course that was
#: taken back counts as one of these. Only recent rows are read: a hold lasts no longer than `:hold`.
IS_PAUSED = """exists (
    select from (
        select at, count(*) over (order by at range between interval '1 hour' preceding and current row) as number
        from (
            select case when status = 'PAYMENT_REQUIRED' then hold_expires_at
                when activated_at is null then least(hold_expires_at, updated_at) else updated_at end as at
            from enrollment
            where student_id = :student_id and (activated_at is null or price_minor = 0)
                and status <> 'ACTIVE' and (status <> 'PAYMENT_REQUIRED' or hold_expires_at <= clock_timestamp())
                and created_at > clock_timestamp() - interval '1 hour' - cast(:pause as interval) - cast(:hold as interval)
        ) as ended
    ) as counted
    where number >= :lapses and at > clock_timestamp() - cast(:pause as interval)
)"""


async def lock_person(connection: Connection, person_id: UUID) -> None:
    """Lock the person's row until the transaction ends; insert it for a new one. Lock it before a course's row."""
    while not (await connection.execute(_LOCK, {"id": person_id})).all():
        await connection.execute(_OPEN, {"id": person_id})


def limit_values(terms: Terms) -> dict[str, Any]:
    limits = terms.limits
    return {"hold": terms.hold, "unpaid": limits.unpaid, "lapses": limits.lapses, "pause": limits.pause}
