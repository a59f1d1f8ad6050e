"""The statements about a saga's seat: take it, take it again, free it. Each method but the locks runs one statement.

A write returns the row that it inserted or changed, else the row that is there. `is_stale` marks a row that the
statement should have changed and did not, because another transaction changed it meanwhile.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from learning_svc.domain import Enrollment, Order, Record, Situation, Status, Terms
from learning_svc.store.people import HAS_MOST, IS_PAUSED, limit_values, lock_person
from learning_svc.store.rows import COURSE, ENROLLMENT, ENROLLMENT_OF_E, as_course, as_enrollment, as_record
from mesh.database import Connection, Row
from mesh.statements import Statement, text

# ruff: noqa: S608 - constants only

_MINE = "id = :id and saga_id = :saga_id"
_HAS_FREE_SEAT = "(seats is null or seats_taken < seats)"
_LAPSED = "holds_seat and status = 'PAYMENT_REQUIRED' and hold_expires_at + :grace <= clock_timestamp()"
_TITLE = "(select title from course where course.id = enrollment.course_id)"
_SEATED = "course_id = :course_id and student_id = :student_id and holds_seat"

# Checks the order and takes the seat in one statement. The unique constraints refuse a twin that is being inserted,
# which this statement cannot see.
_TAKE = text(f"""
with taken as (
    update course set seats_taken = seats_taken + 1
    where id = :course_id and published and instructor_id <> :student_id and {_HAS_FREE_SEAT}
        and (cast(:expected_minor as bigint) is null or (price_minor, currency) = (:expected_minor, :expected_currency))
        and not exists (select from enrollment where id = :id or saga_id = :saga_id)
        and not exists (select from enrollment where {_SEATED}) and not {HAS_MOST} and not {IS_PAUSED}
    returning id, instructor_id, price_minor, currency
), made as (
    insert into enrollment (id, saga_id, status, course_id, student_id, instructor_id, price_minor, currency,
        payment_id, hold_expires_at, holds_seat)
    select :id, :saga_id, 'PAYMENT_REQUIRED', id, :student_id, instructor_id, price_minor, currency,
        case when price_minor > 0 then cast(:payment_id as uuid) end, clock_timestamp() + cast(:hold as interval), true
    from taken
    returning {ENROLLMENT}
)
select *, {_TITLE} as course_title from made enrollment
union all
select {ENROLLMENT}, {_TITLE} from enrollment where (id = :id or saga_id = :saga_id) and not exists (select from made)
""")

_SITUATION = text(f"""
select {COURSE},
    exists (select from enrollment where {_SEATED} and not ({_LAPSED})) as is_enrolled,
    exists (select from enrollment where course_id = :course_id and {_LAPSED}) as has_lapsed_hold,
    {HAS_MOST} as has_most, {IS_PAUSED} as is_paused
from course where id = :course_id
""")

_LOCK = text("select id from course where id = :course_id for no key update")

# Evicts the student's own lapsed hold. When there is none and the course is full, it evicts the longest lapsed one.
_EVICT = text(f"""
with lapsed as (
    select id from enrollment
    where course_id = :course_id and {_LAPSED} and (student_id = :student_id
        or not exists (select from course where id = :course_id and {_HAS_FREE_SEAT}))
    order by student_id = :student_id desc, hold_expires_at limit 1
    for no key update
), evicted as (
    update enrollment e set holds_seat = false, updated_at = clock_timestamp() from lapsed where e.id = lapsed.id
    returning e.course_id
)
update course set seats_taken = seats_taken - 1 from evicted where course.id = evicted.course_id
""")

# Activates an enrollment that holds its seat.
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

# Takes a seat for an enrollment whose seat was taken over, and activates it.
_TAKE_AGAIN = text(f"""
with taken as (
    update course set seats_taken = seats_taken + 1
    where id = :course_id and {_HAS_FREE_SEAT}
        and exists (select from enrollment where {_MINE} and status = 'PAYMENT_REQUIRED' and not holds_seat)
        and not exists (select from enrollment where {_SEATED})
    returning id
)
update enrollment e
set status = 'ACTIVE', holds_seat = true, activated_at = clock_timestamp(), updated_at = clock_timestamp()
from taken where e.{_MINE}
returning {ENROLLMENT_OF_E}
""")

# Changes the status and frees the seat. `course_lock` locks the course before `current` locks the enrollment and reads
# what other transactions have just committed of it.
_MOVED = f"""
with course_lock as (
    select e.id from enrollment e join course c on c.id = e.course_id
    where e.{_MINE} and e.status = :source for no key update of c
), current as (
    select e.id, e.course_id, e.holds_seat from enrollment e join course_lock on e.id = course_lock.id
    where e.status = :source for no key update of e
), moved as (
    update enrollment e set status = :status, holds_seat = false, updated_at = clock_timestamp()
    from current where e.id = current.id
    returning {ENROLLMENT_OF_E}
), freed as (
    update course set seats_taken = seats_taken - 1 from current where course.id = current.course_id and current.holds_seat
)"""
_STALE = f"{_MINE} and status = :source"

# Ends an unpaid enrollment, or inserts a tombstone where there is no enrollment.
_END = text(f"""{_MOVED}, tombstone as (
    insert into enrollment (id, saga_id, status)
    select :id, :saga_id, :status where not exists (select from enrollment where id = :id)
    on conflict do nothing
    returning {ENROLLMENT}
)
select false as is_stale, moved.* from moved
union all
select false, tombstone.* from tombstone
union all
select {_STALE}, {ENROLLMENT} from enrollment
where (id = :id or saga_id = :saga_id) and not exists (select from moved) and not exists (select from tombstone)
""")

_CANCEL = text(f"""{_MOVED}
select false as is_stale, moved.* from moved
union all
select {_STALE}, {ENROLLMENT} from enrollment where id = :id and not exists (select from moved)
""")


class SeatStore:
    """The statements about seats of courses, and about the enrollments that hold them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock_student(self, student_id: UUID) -> None:
        """Lock the student's row: until the transaction ends, no other one holds a seat for this student."""
        await lock_person(self._connection, student_id)

    async def take(self, order: Order, terms: Terms) -> Record | None:
        """Take a seat and return its enrollment; else the record that has one of these ids; None when it is refused.

        Lock the student before. May violate enrollment_once_per_student, enrollment_once_per_saga or enrollment_pkey in
        a race.
        """
        expected = order.expected_price
        price = {
            "expected_minor": expected.amount_minor if expected else None,
            "expected_currency": expected.currency if expected else None,
        }
        row = await self._row(_TAKE, _order_values(order) | price | limit_values(terms))
        record = as_record(row) if row else None
        return replace(record, course_title=row.course_title) if row and isinstance(record, Enrollment) else record

    async def read_situation(self, course_id: UUID, student: UUID | None, terms: Terms) -> Situation | None:
        """The facts that decide about an order for this course; None when there is no such course."""
        values = {"course_id": course_id, "student_id": student, "grace": terms.grace}
        row = await self._row(_SITUATION, values | limit_values(terms))
        return (
            Situation(as_course(row), row.is_enrolled, row.has_lapsed_hold, row.has_most, row.is_paused)
            if row
            else None
        )

    async def lock(self, course_id: UUID) -> None:
        """Lock the course's row: until the transaction ends, no other one changes the course's seats."""
        await self._connection.execute(_LOCK, {"course_id": course_id})

    async def evict(self, course_id: UUID, student: UUID, grace: timedelta) -> None:
        """Free the seat of a lapsed hold that is in this student's way, if there is one. Lock the course before."""
        values = {"course_id": course_id, "student_id": student, "grace": grace}
        await self._connection.execute(_EVICT, values)

    async def activate(self, enrollment_id: UUID, saga_id: UUID) -> tuple[Record | None, bool]:
        """Activate the enrollment if it holds its seat. Returns the record as it is now, and whether it is stale."""
        return _with_staleness(await self._row(_ACTIVATE, {"id": enrollment_id, "saga_id": saga_id}))

    async def take_again(self, lost: Enrollment) -> Enrollment | None:
        """Take a seat for an enrollment that lost its own, and activate it; None when none is left.

        Lock the course before.
        """
        values = {"id": lost.id, "saga_id": lost.saga_id, "course_id": lost.course_id, "student_id": lost.student_id}
        row = await self._row(_TAKE_AGAIN, values)
        return as_enrollment(row) if row else None

    async def end(self, enrollment_id: UUID, saga_id: UUID, status: Status) -> tuple[Record | None, bool]:
        """End an unpaid enrollment and free its seat, or insert a tombstone when there is none.

        Returns the record as it is now, and whether it is stale.
        """
        values = {"id": enrollment_id, "saga_id": saga_id, "status": status, "source": Status.PAYMENT_REQUIRED}
        return _with_staleness(await self._row(_END, values))

    async def cancel(self, enrollment_id: UUID, saga_id: UUID) -> tuple[Record | None, bool]:
        """Cancel an active enrollment and free its seat. Returns the record as it is now, and whether it is stale."""
        values = {"id": enrollment_id, "saga_id": saga_id, "status": Status.CANCELLED, "source": Status.ACTIVE}
        return _with_staleness(await self._row(_CANCEL, values))

    async def _row(self, statement: Statement, values: dict[str, Any]) -> Row | None:
        return (await self._connection.execute(statement, values)).first()


def _with_staleness(row: Row | None) -> tuple[Record | None, bool]:
    return (as_record(row), row.is_stale) if row else (None, False)


def _order_values(order: Order) -> dict[str, Any]:
    return {
        "id": order.enrollment_id,
        "saga_id": order.saga_id,
        "course_id": order.course_id,
        "student_id": order.student_id,
        "payment_id": order.payment_id,
    }
