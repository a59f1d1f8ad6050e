"""People who hold time or seats and never pay: what they get is little, and others still get in."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from typing import Any
from uuid import UUID, uuid4

from mesh.errors import Refusal
from tests.learners import Enrolled, enroll, leave
from tests.people import Booked, People, lesson_time, wait_until

FREE = 0


async def outcome(call: Awaitable[Any]) -> str:
    try:
        await call
    except Refusal as refusal:
        return refusal.reason
    return "OK"


async def book_as(people: People, tutor: UUID, student: UUID, *, minutes: int = 60, **when: int) -> Booked:
    made = await people.book(tutor, lesson_time(**when), student, minutes=minutes)
    return Booked(
        made.booking_id, made.saga_id, made.session_id, made.payment_id, made.payment_intent_id, student, tutor
    )


async def minutes_taken(people: People, tutor: UUID) -> int:
    """The claimed minutes of a tutor's calendar."""
    ask = """select coalesce(sum(extract(epoch from upper(during) - lower(during)) / 60), 0)::integer as minutes
             from claim where calendar_id = $1"""
    (row,) = await people.world.sql("availability", ask, tutor)
    return int(row["minutes"])


async def fill(people: People, tutor: UUID) -> None:
    """Ten accounts hold all that a tutor may have unpaid: four hours each."""
    for day in range(3, 8):
        for hour in (1, 6):
            await people.book(tutor, lesson_time(day, hour), minutes=240)


async def test_one_account_and_a_free_tutors_fourteen_days(people: People) -> None:
    tutor, student = await people.tutor(FREE), uuid4()
    calls = [
        people.book(tutor, lesson_time(day, hour), student, minutes=240) for day in range(3, 17) for hour in (0, 12)
    ]
    assert Counter(await asyncio.gather(*map(outcome, calls))) == {"OK": 1, "TOO_MANY_HOLDS": 27}
    assert await minutes_taken(people, tutor) == 240


async def test_one_account_that_asks_many_tutors_and_courses_at_once(people: People) -> None:
    """Lessons and seats are counted by two services, and each under the student's lock."""
    student, tutors = uuid4(), [await people.tutor() for _ in range(12)]
    courses = [(await people.course()).id for _ in range(12)]
    lessons = [people.book(tutor, lesson_time(3 + n), student, timeout=20) for n, tutor in enumerate(tutors)]
    seats = [enroll(people, course, student, timeout=20) for course in courses]
    found = await asyncio.gather(*map(outcome, [*lessons, *seats]))
    assert Counter(found[:12]) == Counter(found[12:]) == {"OK": 3, "TOO_MANY_HOLDS": 9}


async def test_whoever_renews_a_hold_by_cancelling_it_waits_and_others_get_the_time(people: People) -> None:
    tutor, student = await people.tutor(), uuid4()
    for _ in range(5):
        await people.cancel(await book_as(people, tutor, student))
    for again in (tutor, await people.tutor(FREE), await people.tutor()):
        assert await outcome(people.book(again, lesson_time(), student)) == "TOO_MANY_HOLDS"
    await people.book(tutor, lesson_time())


async def test_a_free_lesson_and_a_free_seat_are_renewed_no_oftener(people: People) -> None:
    tutor, course, student = await people.tutor(FREE), await people.course(FREE), uuid4()
    for _ in range(5):
        booked = await book_as(people, tutor, student)
        await people.until_state(booked.saga, "COMPLETED")
        await people.cancel(booked)
        made = await enroll(people, course.id, student)
        place = Enrolled(made.enrollment_id, made.saga_id, made.payment_id, "", student, course)
        await people.until_state(place.saga, "COMPLETED")
        await leave(people, place)
        await wait_until(lambda: people.nothing_open(student), bool)
    assert await outcome(people.book(tutor, lesson_time(), student)) == "TOO_MANY_HOLDS"
    assert await outcome(enroll(people, course.id, student)) == "TOO_MANY_HOLDS"


async def test_a_repeated_order_holds_the_time_no_longer(people: People) -> None:
    tutor, student = await people.tutor(), uuid4()
    first = await people.book(tutor, lesson_time(), student)
    for key in ("", "a", "b"):
        again = await people.book(tutor, lesson_time(), student, idempotency_key=key)
        assert (again.booking_id, again.hold_expires_at) == (first.booking_id, first.hold_expires_at)
    assert len(await people.world.sql("availability", "select 1 from hold where student_id = $1", student)) == 1


async def test_a_card_that_pays_and_is_paid_back_opens_no_full_tutor(people: People) -> None:
    tutor, other, account, regular = await people.tutor(), await people.tutor(), uuid4(), uuid4()
    paid = [await book_as(people, other, student, hour=hour) for student, hour in ((account, 8), (regular, 10))]
    for booked in paid:
        await people.pay(booked.intent)
        await people.until_state(booked.saga, "COMPLETED")
    await people.cancel(paid[0])
    await fill(people, tutor)
    await wait_until(lambda: people.nothing_open(account), bool)
    assert await outcome(people.book(tutor, lesson_time(9), account)) == "TOO_MANY_HOLDS"
    assert await outcome(people.book(tutor, lesson_time(9))) == "TOO_MANY_HOLDS"
    await people.book(tutor, lesson_time(9), regular)


async def test_lessons_of_a_minute_at_odd_minutes_cut_no_day_to_pieces(people: People) -> None:
    tutor, student = await people.tutor(), uuid4()
    for minutes, minute, reason in (
        (1, 0, "LENGTH_NOT_OFFERED"),
        (14, 0, "LENGTH_NOT_OFFERED"),
        (15, 7, "START_NOT_OFFERED"),
        (241, 0, "LENGTH_NOT_OFFERED"),
    ):
        assert await outcome(people.book(tutor, lesson_time(minute=minute), student, minutes=minutes)) == reason
    assert await outcome(people.book(tutor, lesson_time(366), student)) == "TOO_FAR_AHEAD"
    assert await minutes_taken(people, tutor) == 0
