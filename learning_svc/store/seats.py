"""A saga's seat: taken, won again, given back. Each method is one statement on the connection it is given."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from learning_svc.domain import Claim, Enrollment, Record, Standing, Status
from learning_svc.store.rows import COURSE, ENROLLMENT, ENROLLMENT_OF_E, as_course, as_enrollment, as_record

# ruff: noqa: S608 - constants only

_MINE = "id = :id and saga_id = :saga_id"
_HAS_ROOM = "(seats is null or seats_taken < seats)"
_LAPSED = "holds_seat and status = 'PAYMENT_REQUIRED' and hold_expires_at + :grace <= clock_timestamp()"
_SEATED = "course_id = :course_id and student_id = :student_id and holds_seat"

# Verifies and takes at once. What a snapshot cannot see (a twin being inserted), the unique rules refuse.
_TAKE = text(f"""
with taken as (
    update course set seats_taken = seats_taken + 1
    where id = :course_id and published and instructor_id <> :student_id and {_HAS_ROOM}
        and not exists (select from enrollment where id = :id or saga_id = :saga_id)
        and not exists (select from enrollment where {_SEATED})
    returning id, instructor_id, price_minor, currency
), made as (
    insert into enrollment (id, saga_id, status, course_id, student_id, instructor_id, price_minor, currency,
        payment_id, hold_expires_at, holds_seat)
    select :id, :saga_id, 'PAYMENT_REQUIRED', id, :student_id, instructor_id, price_minor, currency,
        case when price_minor > 0 then cast(:payment_id as uuid) end, clock_timestamp() + :hold, true
    from taken
    returning {ENROLLMENT}
)
select * from made
union all
select {ENROLLMENT} from enrollment where (id = :id or saga_id = :saga_id) and not exists (select from made)
""")

_STANDING = text(f"""
select {COURSE},
    exists (select from enrollment where {_SEATED} and not ({_LAPSED})) as is_enrolled,
    exists (select from enrollment where course_id = :course_id and {_LAPSED}) as gives_way
from course where id = :course_id
""")

_LOCK = text("select id from course where id = :course_id for no key update")

# The student's own lapsed hold gives way always, the longest lapsed of another only where the last seat is asked for.
_EVICT = text(f"""
with lapsed as (
    select id from enrollment
    where course_id = :course_id and {_LAPSED} and (student_id = :student_id
        or not exists (select from course where id = :course_id and {_HAS_ROOM}))
    order by student_id = :student_id desc, hold_expires_at limit 1
    for no key update
), evicted as (
    update enrollment e set holds_seat = false, updated_at = clock_timestamp() from lapsed where e.id = lapsed.id
    returning e.course_id
)
update course set seats_taken = seats_taken - 1 from evicted where course.id = evicted.course_id
""")

# The last part of each write: the row as it is. One that should have been moved and was not has changed meanwhile.
_ACTIVATE = text(f"""
with moved as (
    update enrollment
    set status = 'ACTIVE', activated_at = clock_timestamp(), updated_at = clock_timestamp()
    where {_MINE} and status = 'PAYMENT_REQUIRED' and holds_seat
    returning {ENROLLMENT}
)
select false as is_stale, moved.* from moved
union all
select {_MINE} and status = 'PAYMENT_REQUIRED' and holds_seat, {ENROLLMENT} from enrollment
where id = :id and not exists (select from moved)
""")

_WIN = text(f"""
with taken as (
    update course set seats_taken = seats_taken + 1
    where id = :course_id and {_HAS_ROOM}
        and exists (select from enrollment where {_MINE} and status = 'PAYMENT_REQUIRED' and not holds_seat)
        and not exists (select from enrollment where {_SEATED})
    returning id
)
update enrollment e
set status = 'ACTIVE', holds_seat = true, activated_at = clock_timestamp(), updated_at = clock_timestamp()
from taken where e.{_MINE}
returning {ENROLLMENT_OF_E}
""")

# `place` locks the course before `before` locks the enrollment, and reads what others have just made of it.
_LEFT = f"""
with place as (
    select e.id from enrollment e join course c on c.id = e.course_id
    where e.{_MINE} and e.status = :source for no key update of c
), before as (
    select e.id, e.course_id, e.holds_seat from enrollment e join place on e.id = place.id
    where e.status = :source for no key update of e
), moved as (
    update enrollment e set status = :status, holds_seat = false, updated_at = clock_timestamp()
    from before where e.id = before.id
    returning {ENROLLMENT_OF_E}
), freed as (
    update course set seats_taken = seats_taken - 1 from before where course.id = before.course_id and before.holds_seat
)"""
_STALE = f"{_MINE} and status = :source"

_END = text(f"""{_LEFT}, buried as (
    insert into enrollment (id, saga_id, status)
    select :id, :saga_id, :status where not exists (select from enrollment where id = :id)
    on conflict do nothing
    returning {ENROLLMENT}
)
select false as is_stale, moved.* from moved
union all
select false, buried.* from buried
union all
select {_STALE}, {ENROLLMENT} from enrollment
where (id = :id or saga_id = :saga_id) and not exists (select from moved) and not exists (select from buried)
""")

_CANCEL = text(f"""{_LEFT}
select false as is_stale, moved.* from moved
union all
select {_STALE}, {ENROLLMENT} from enrollment where id = :id and not exists (select from moved)
""")


class SeatStore:
    """Seats of courses, and the enrollments that hold them."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def take(self, claim: Claim, hold: timedelta) -> Record | None:
        """A seat taken, or what was there before under these ids; None when there is a reason to refuse.

        Violates enrollment_once_per_student, enrollment_once_per_saga, enrollment_pkey when it races another.
        """
        row = await self._row(_TAKE, _claim(claim) | {"hold": hold})
        return as_record(row) if row else None

    async def standing(self, course_id: UUID, student: UUID | None, grace: timedelta) -> Standing | None:
        """What somebody meets who wants a seat; None when there is no such course."""
        row = await self._row(_STANDING, {"course_id": course_id, "student_id": student, "grace": grace})
        return Standing(as_course(row), row.is_enrolled, row.gives_way) if row else None

    async def lock(self, course_id: UUID) -> None:
        """From here to the end of the transaction nobody else changes this course's seats."""
        await self._connection.execute(_LOCK, {"course_id": course_id})

    async def evict(self, course_id: UUID, student: UUID, grace: timedelta) -> None:
        """Let a lapsed hold give way to this student, if one is in the way. Call with the course locked."""
        values = {"course_id": course_id, "student_id": student, "grace": grace}
        await self._connection.execute(_EVICT, values)

    async def activate(self, enrollment_id: UUID, saga_id: UUID) -> tuple[Record | None, bool]:
        """The enrollment ACTIVE if it holds its seat, else as it is; and whether to look again."""
        return _looked(await self._row(_ACTIVATE, {"id": enrollment_id, "saga_id": saga_id}))

    async def win(self, lost: Enrollment) -> Enrollment | None:
        """A seat for one who had lost it, and the enrollment ACTIVE; None when none is left. Call with the course locked."""
        values = {"id": lost.id, "saga_id": lost.saga_id, "course_id": lost.course_id, "student_id": lost.student_id}
        row = await self._row(_WIN, values)
        return as_enrollment(row) if row else None

    async def end(self, enrollment_id: UUID, saga_id: UUID, status: Status) -> tuple[Record | None, bool]:
        """An unpaid enrollment ended and its seat given back, or a tombstone, or what is there; whether to look again."""
        values = {"id": enrollment_id, "saga_id": saga_id, "status": status, "source": Status.PAYMENT_REQUIRED}
        return _looked(await self._row(_END, values))

    async def cancel(self, enrollment_id: UUID, saga_id: UUID) -> tuple[Record | None, bool]:
        """An active enrollment cancelled and its seat given back, else as it is; and whether to look again."""
        values = {"id": enrollment_id, "saga_id": saga_id, "status": Status.CANCELLED, "source": Status.ACTIVE}
        return _looked(await self._row(_CANCEL, values))

    async def _row(self, statement: TextClause, values: dict[str, Any]) -> Row[Any] | None:
        return (await self._connection.execute(statement, values)).first()


def _looked(row: Row[Any] | None) -> tuple[Record | None, bool]:
    return (as_record(row), row.is_stale) if row else (None, False)


def _claim(claim: Claim) -> dict[str, Any]:
    return {
        "id": claim.enrollment_id,
        "saga_id": claim.saga_id,
        "course_id": claim.course_id,
        "student_id": claim.student_id,
        "payment_id": claim.payment_id,
    }
