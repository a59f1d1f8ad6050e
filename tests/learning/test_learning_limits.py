"""What a person may have: unpaid enrollments of a student, the pause after too many, courses of an instructor."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from learning_svc.domain import TooManyCourses, TooManyHolds
from mesh.errors import Refusal
from tests.learning.conftest import LIMITS
from tutormesh.common.v1.money_pb2 import Money
from tutormesh.learning.v1 import learning_pb2 as pb

EXPIRED = pb.ENROLLMENT_STATUS_EXPIRED
FREE = Money(amount_minor=0, currency="USD")


async def outcome(act: Any) -> str:
    try:
        await act
    except Refusal as refusal:
        return refusal.reason
    return "done"


async def hold_and_end(school: Any, student: str, number: int, status: Any = pb.ENROLLMENT_STATUS_CANCELLED) -> None:
    for _ in range(number):
        await school.end(await school.hold_new((await school.course()).id, student_id=student), status)


async def test_a_student_has_three_unpaid_enrollments_and_not_one_more(school: Any, ledger: Any) -> None:
    student, courses = str(uuid4()), [await school.course() for _ in range(6)]
    orders = [await school.hold_new(course.id, student_id=student) for course in courses[:3]]
    for course in courses[3:]:
        assert await outcome(school.hold(school.order(course.id, student_id=student))) == "TOO_MANY_HOLDS"
        assert await ledger.count_taken_seats(course.id) == 0
    for order in orders:
        await school.hold(order)  # a repeat returns its first hold
    await school.hold_new(courses[3].id)  # another student may
    await school.activate(orders[0])
    await school.hold_new(courses[3].id, student_id=student)
    assert await outcome(school.hold(school.order(courses[4].id, student_id=student))) == "TOO_MANY_HOLDS"
    await ledger.lapse(orders[1])
    await school.hold_new(courses[4].id, student_id=student)


async def test_a_free_course_is_no_way_round(school: Any) -> None:
    student, free = str(uuid4()), await school.course(price=FREE)
    for _ in range(3):
        await school.hold_new((await school.course()).id, student_id=student)
    assert await outcome(school.hold(school.order(free.id, student_id=student))) == "TOO_MANY_HOLDS"


async def test_the_other_refusals_come_first(school: Any) -> None:
    student, full = str(uuid4()), await school.course(seats=1)
    await school.hold_new(full.id)
    mine = [await school.hold_new((await school.course()).id, student_id=student) for _ in range(3)]
    draft = await school.create()
    for course, reason in (
        (mine[0].course_id, "ALREADY_ENROLLED"),
        (full.id, "COURSE_FULL"),
        (draft.id, "COURSE_NOT_PUBLISHED"),
        (str(uuid4()), "COURSE_NOT_FOUND"),
    ):
        assert await outcome(school.hold(school.order(course, student_id=student))) == reason


async def test_who_is_refused_leaves_no_row(school: Any, sql: asyncpg.Connection) -> None:
    student, draft = str(uuid4()), await school.create()
    for course in (str(uuid4()), draft.id):
        assert await outcome(school.hold(school.order(course, student_id=student))) != "done"
    assert await sql.fetchval("select count(*) from person where id = $1", UUID(student)) == 0
    assert await sql.fetchval("select count(*) from enrollment where student_id = $1", UUID(student)) == 0


async def test_the_limit_is_counted_under_the_students_lock(school: Any) -> None:
    student, courses = str(uuid4()), [await school.course() for _ in range(20)]
    acts = [outcome(school.hold(school.order(course.id, student_id=student))) for course in courses]
    assert Counter(await asyncio.gather(*acts)) == {"done": 3, "TOO_MANY_HOLDS": 17}


async def test_a_lapsed_seat_is_no_way_round_either(school: Any, ledger: Any) -> None:
    student, course = str(uuid4()), await school.course(seats=1)
    await ledger.lapse(await school.hold_new(course.id))
    for _ in range(3):
        await school.hold_new((await school.course()).id, student_id=student)
    assert await outcome(school.hold(school.order(course.id, student_id=student))) == "TOO_MANY_HOLDS"
    assert await ledger.count_taken_seats(course.id) == 1


async def test_a_late_payer_is_asked_for_no_limit(school: Any, ledger: Any) -> None:
    course, student = await school.course(seats=1), str(uuid4())
    lapsed = await school.hold_new(course.id, student_id=student)
    await ledger.lapse(lapsed)
    await school.end(await school.hold_new(course.id))
    for _ in range(3):
        await school.hold_new((await school.course()).id, student_id=student)
    assert (await school.activate(lapsed)).status == pb.ENROLLMENT_STATUS_ACTIVE


@pytest.mark.parametrize("status", [pb.ENROLLMENT_STATUS_CANCELLED, pb.ENROLLMENT_STATUS_PAYMENT_FAILED, EXPIRED])
async def test_five_unpaid_ends_within_an_hour_are_followed_by_a_pause(school: Any, ledger: Any, status: Any) -> None:
    student, course = str(uuid4()), await school.course()
    await hold_and_end(school, student, 4, status)
    await hold_and_end(school, student, 1, status)
    with pytest.raises(Refusal, match="ended unpaid") as refused:
        await school.hold(school.order(course.id, student_id=student))
    assert refused.value.reason == TooManyHolds.reason
    await school.hold_new(course.id)
    await ledger.move_back(student, timedelta(minutes=15))
    await school.hold_new(course.id, student_id=student)


async def test_lapsed_enrollments_count_by_the_end_of_their_hold(school: Any, ledger: Any) -> None:
    student = str(uuid4())
    for minutes in (16, 17, 18, 19, 20):
        order = await school.hold_new((await school.course()).id, student_id=student)
        await ledger.lapse(order, ago=timedelta(minutes=minutes))
        await school.end(order, EXPIRED)  # as its saga does, late
    last = await school.hold_new((await school.course()).id, student_id=student)
    await ledger.lapse(last, ago=timedelta(minutes=1))
    assert await outcome(school.hold(school.order((await school.course()).id, student_id=student))) == "TOO_MANY_HOLDS"


async def test_an_end_more_than_an_hour_before_the_fifth_is_forgotten(school: Any, ledger: Any) -> None:
    student = str(uuid4())
    await hold_and_end(school, student, 1)
    await ledger.move_back(student, timedelta(minutes=61))
    await hold_and_end(school, student, 4)
    await school.hold_new((await school.course()).id, student_id=student)


async def test_free_enrollments_that_are_given_back_count_and_paid_ones_do_not(school: Any) -> None:
    free, paid, student, payer = await school.course(price=FREE), await school.course(), str(uuid4()), str(uuid4())
    for _ in range(5):
        await school.cancel(await school.sell_new(free.id, student_id=student))
        await school.cancel(await school.sell_new(paid.id, student_id=payer))
    assert await outcome(school.hold(school.order(paid.id, student_id=student))) == "TOO_MANY_HOLDS"
    await school.hold_new(paid.id, student_id=payer)


async def fill_up(sql: asyncpg.Connection, instructor: str, number: int) -> None:
    await sql.execute(
        """insert into course (id, instructor_id, title, price_minor, currency)
           select gen_random_uuid(), $1, 'Fractions', 5000, 'USD' from generate_series(1, $2)""",
        UUID(instructor),
        number,
    )


async def test_an_instructor_has_a_thousand_courses_and_not_one_more(school: Any, sql: asyncpg.Connection) -> None:
    me = str(uuid4())
    await fill_up(sql, me, LIMITS.courses - 1)
    last = school.draft_request(instructor_id=me)
    made = (await school.bff.CreateCourse(last, timeout=10)).course
    for stub in (school.tutor(me), school.bff, school.stub("bff", "admin", uuid4())):
        with pytest.raises(TooManyCourses):
            await school.create(stub, instructor_id=me)
    assert (await school.bff.CreateCourse(last, timeout=10)).course == made
    await school.create()


async def test_courses_are_counted_under_the_instructors_lock(school: Any, sql: asyncpg.Connection) -> None:
    me = str(uuid4())
    await fill_up(sql, me, LIMITS.courses - 3)
    acts = [outcome(school.create(instructor_id=me)) for _ in range(20)]
    assert Counter(await asyncio.gather(*acts)) == {"done": 3, "TOO_MANY_COURSES": 17}
