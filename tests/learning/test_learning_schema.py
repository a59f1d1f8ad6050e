"""The schema of courses and enrollments: the rows that PostgreSQL refuses, and the statements of a write."""

from __future__ import annotations

import itertools
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from learning_svc.domain import ENDS, MOVES, Status
from mesh.database import Database
from mesh.errors import Refusal
from tests.statements import sent_by
from tutormesh.learning.v1 import learning_pb2 as pb


async def in_state(school: Any, status: Status) -> pb.HoldSeatRequest:
    order = await school.hold_new((await school.course(seats=1)).id)
    if status is Status.ACTIVE:
        await school.activate(order)
    elif status in ENDS:
        await school.end(order, pb.EnrollmentStatus.Value(f"ENROLLMENT_STATUS_{status}"))
    return order


@pytest.mark.parametrize(("now", "to"), [*itertools.product(Status, repeat=2)])
async def test_the_schema_allows_exactly_the_legal_moves_and_the_loss_of_a_held_seat(
    school: Any, sql: asyncpg.Connection, now: Status, to: Status
) -> None:
    order = await in_state(school, now)
    move = """update enrollment set status = $2, holds_seat = $2 = 'ACTIVE',
              activated_at = case when $2 = 'ACTIVE' then clock_timestamp() end where id = $1"""
    if to in MOVES[now] or now is to is Status.PAYMENT_REQUIRED:
        assert await sql.execute(move, order.enrollment_id, to) == "UPDATE 1"
        return
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await sql.execute(move, order.enrollment_id, to)
    assert refused.value.constraint_name == "enrollment_legal_move"


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("title = ''", "course_title_says_something"),
        ("title = ' '", "course_title_says_something"),
        ("title = repeat('x', 201)", "course_title_says_something"),
        ("price_minor = -1", "course_price_not_negative"),
        ("currency = 'usd'", "course_currency_is_iso"),
        ("seats = 0", "course_seats_in_range"),
        ("seats = 1000001", "course_seats_in_range"),
        ("seats_taken = -1", "course_seats_taken_not_negative"),
        ("seats_taken = 3", "course_never_oversold"),
        ("published = false, seats_taken = 1", "course_draft_has_no_students"),
    ],
)
async def test_the_schema_refuses_a_broken_course(
    school: Any, sql: asyncpg.Connection, change: str, constraint: str
) -> None:
    course = await school.course(seats=2)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await sql.execute(f"update course set {change} where id = $1", course.id)
    assert refused.value.constraint_name == constraint


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("hold_expires_at = null", "enrollment_whole_or_tombstone"),
        ("course_id = null, payment_id = null", "enrollment_whole_or_tombstone"),
        ("student_id = instructor_id", "enrollment_two_people"),
        ("price_minor = -1, payment_id = null", "enrollment_price_not_negative"),
        ("payment_id = null", "enrollment_price_is_paid"),
        ("price_minor = 0", "enrollment_price_is_paid"),
        ("currency = 'usd'", "enrollment_currency_is_iso"),
        ("status = 'EXPIRED'", "enrollment_seat_while_it_lasts"),
        ("status = 'ACTIVE', activated_at = now(), holds_seat = false", "enrollment_seat_while_it_lasts"),
        ("status = 'ACTIVE'", "enrollment_activated_once_active"),
        ("activated_at = now()", "enrollment_activated_once_active"),
    ],
)
async def test_the_schema_refuses_a_broken_enrollment(
    school: Any, sql: asyncpg.Connection, change: str, constraint: str
) -> None:
    order = await school.hold_new((await school.course()).id)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await sql.execute(f"update enrollment set {change} where id = $1", order.enrollment_id)
    assert refused.value.constraint_name == constraint


async def test_the_schema_refuses_a_second_seat_of_one_student_and_a_tombstone_with_a_payment(
    school: Any, sql: asyncpg.Connection
) -> None:
    course = await school.course()
    first, second = await school.hold_new(course.id), await school.hold_new(course.id)
    with pytest.raises(asyncpg.UniqueViolationError) as twice:
        move = "update enrollment set student_id = $2 where id = $1"
        await sql.execute(move, first.enrollment_id, second.student_id)
    assert twice.value.constraint_name == "enrollment_once_per_student"
    with pytest.raises(asyncpg.CheckViolationError) as bare:
        bury = "insert into enrollment (id, saga_id, status, payment_id) values ($1, $2, 'EXPIRED', $3)"
        await sql.execute(bury, uuid4(), uuid4(), uuid4())
    assert bare.value.constraint_name == "enrollment_tombstone_bare"


COUNTED = """
create table write_transaction (id xid8 primary key);
create function count_write() returns trigger language plpgsql as $$
begin
    insert into write_transaction values (pg_current_xact_id()) on conflict do nothing;
    return null;
end $$;
create trigger count_write after insert or update or delete on course for each row execute function count_write();
create trigger count_write after insert or update or delete on enrollment for each row execute function count_write();
"""
UNCOUNTED = """
drop trigger count_write on course;
drop trigger count_write on enrollment;
drop function count_write();
drop table write_transaction;
"""


async def test_each_step_is_one_write_transaction_and_a_repeat_writes_nothing(
    school: Any, ledger: Any, database: Database, sql: asyncpg.Connection
) -> None:
    draft = school.draft_request(seats=2)
    order, other, never = school.order(draft.course_id), school.order(draft.course_id), school.order(draft.course_id)
    await sql.execute(COUNTED)
    try:
        for act, first, repeated in (  # what is counted for a person locks that person, who is new here
            (lambda: school.bff.CreateCourse(draft, timeout=10), 4, 2),
            (lambda: school.publish(draft.course_id), 1, 1),
            (lambda: school.hold(order), 4, 2),
            (lambda: school.activate(order), 1, 1),
            (lambda: school.hold(other), 4, 2),
            (lambda: school.end(other), 1, 1),
            (lambda: school.end(never), 1, 1),
            (lambda: school.cancel(order), 1, 1),
        ):
            for most, written in ((first, 1), (repeated, 0)):
                await sql.execute("delete from write_transaction")
                with sent_by(database) as sent:
                    await act()
                assert len(sent.statements) == most
                assert await sql.fetchval("select count(*) from write_transaction") == written
    finally:
        await sql.execute(UNCOUNTED)


async def test_taking_over_or_retaking_a_seat_is_one_write_transaction_and_a_refusal_writes_nothing(
    school: Any, ledger: Any, database: Database, sql: asyncpg.Connection
) -> None:
    course = await school.course(seats=1)
    lapsed, new, late = await school.hold_new(course.id), school.order(course.id), school.order(course.id)
    await ledger.lapse(lapsed)

    async def refused() -> None:
        with pytest.raises(Refusal, match="No seat is left"):
            await school.hold(late)

    async def end() -> None:
        await school.end(new)

    await sql.execute(COUNTED)
    try:
        for act, most, written in (
            (lambda: school.hold(new), 8, 1),
            (refused, 5, 0),
            (end, 1, 1),
            (lambda: school.activate(lapsed), 4, 1),
            (refused, 5, 0),
        ):
            await sql.execute("delete from write_transaction")
            with sent_by(database) as sent:
                await act()
            assert len(sent.statements) == most
            assert await sql.fetchval("select count(*) from write_transaction") == written
    finally:
        await sql.execute(UNCOUNTED)
