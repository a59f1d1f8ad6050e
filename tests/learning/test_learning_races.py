"""Calls at once, and calls in any order: no course is oversold, and each enrollment has one outcome."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from learning_svc.domain import ENDS, CourseFull, Status
from mesh.database import Database
from mesh.errors import Cancelled, IllegalMove, NotFound, Refusal
from tests.statements import sent_by
from tutormesh.learning.v1 import learning_pb2 as pb

ACTIVE, CANCELLED = pb.ENROLLMENT_STATUS_ACTIVE, pb.ENROLLMENT_STATUS_CANCELLED
EXPIRED, PAYMENT_FAILED = pb.ENROLLMENT_STATUS_EXPIRED, pb.ENROLLMENT_STATUS_PAYMENT_FAILED


async def outcomes(*acts: Any) -> Counter[str]:
    """How often each outcome occurred: a refusal's reason, or "done"."""
    answers = await asyncio.gather(*acts, return_exceptions=True)
    strange = [each for each in answers if isinstance(each, BaseException) and not isinstance(each, Refusal)]
    assert strange == []
    return Counter(each.reason if isinstance(each, Refusal) else "done" for each in answers)


async def test_46_twenty_students_at_the_last_seat_are_one_enrolled_and_nineteen_told_it_is_full(
    school: Any, ledger: Any
) -> None:
    for seats in (1, 1, 3):
        course = await school.course(seats=seats)
        result = await outcomes(*(school.hold(school.order(course.id)) for _ in range(20)))
        assert result == {"done": seats, "COURSE_FULL": 20 - seats}
        assert await ledger.count_taken_seats(course.id) == seats


async def test_of_twenty_students_at_one_lapsed_seat_one_takes_it_over(school: Any, ledger: Any) -> None:
    course = await school.course(seats=1)
    await ledger.lapse(await school.hold_new(course.id))
    result = await outcomes(*(school.hold(school.order(course.id)) for _ in range(20)))
    assert result == {"done": 1, "COURSE_FULL": 19}
    assert await ledger.count_taken_seats(course.id) == 1


async def test_ten_repeats_at_once_hold_one_seat(school: Any, ledger: Any) -> None:
    for _ in range(5):
        course = await school.course(seats=5)
        order = school.order(course.id)
        answers = await asyncio.gather(*(school.hold(order) for _ in range(10)))
        assert len({answer.expires_at.ToNanoseconds() for answer in answers}) == 1
        assert await ledger.count_taken_seats(course.id) == 1


async def test_ten_sagas_of_one_student_at_once_hold_one_seat(school: Any, ledger: Any) -> None:
    course, me = await school.course(seats=5), str(uuid4())
    result = await outcomes(*(school.hold(school.order(course.id, student_id=me)) for _ in range(10)))
    assert result == {"done": 1, "ALREADY_ENROLLED": 9}
    assert await ledger.count_taken_seats(course.id) == 1


async def test_of_a_late_payer_and_a_new_student_at_one_lapsed_seat_one_gets_it(school: Any, ledger: Any) -> None:
    seen: Counter[str] = Counter()
    for turn in range(20):
        course = await school.course(seats=1)
        late, new = await school.hold_new(course.id), school.order(course.id)
        await ledger.lapse(late)
        acts = [school.activate(late), school.hold(new)]
        result = await outcomes(*(acts if turn % 2 else reversed(acts)))
        assert result == {"done": 1, "COURSE_FULL": 1}
        assert await ledger.count_taken_seats(course.id) == 1
        seen["late" if (await ledger.row(late))["holds_seat"] else "new"] += 1
    assert seen.total() == 20


async def test_of_a_hold_and_an_end_at_once_the_first_committed_row_decides_and_no_seat_stays_taken(
    school: Any, ledger: Any
) -> None:
    course = await school.course(seats=1)
    for turn in range(40):
        order = school.order(course.id)
        acts = [school.hold(order), school.end(order, EXPIRED)]
        result = await outcomes(*(acts if turn % 2 else reversed(acts)))
        assert result in ({"done": 2}, {"done": 1, "CANCELLED": 1})
        assert (await ledger.row(order))["status"] == "EXPIRED"
        assert await ledger.count_taken_seats(course.id) == 0
        with pytest.raises(Cancelled):
            await school.hold(order)


async def test_a_race_of_activation_and_ends_has_one_outcome(school: Any, ledger: Any) -> None:
    course = await school.course(seats=1)
    for _ in range(20):
        order = await school.hold_new(course.id)
        acts = [school.activate(order), school.end(order, EXPIRED), school.end(order, PAYMENT_FAILED)]
        active, *ends = await asyncio.gather(*acts, return_exceptions=True)
        if (await ledger.row(order))["status"] == "ACTIVE":
            assert active.status == ACTIVE
            assert all(isinstance(end, IllegalMove) for end in ends)
            assert await ledger.count_taken_seats(course.id) == 1
            await school.cancel(order)
        else:
            assert isinstance(active, IllegalMove)
            assert ends == [None, None]
        assert await ledger.count_taken_seats(course.id) == 0


async def test_ten_ends_and_cancels_at_once_free_each_seat_once(school: Any, ledger: Any) -> None:
    course = await school.course(seats=5)
    unpaid, paid = await school.hold_new(course.id), await school.hold_new(course.id)
    await school.activate(paid)
    await school.hold_new(course.id)
    result = await outcomes(*(act for _ in range(10) for act in (school.end(unpaid), school.cancel(paid))))
    assert result == {"done": 20}
    assert await ledger.count_taken_seats(course.id) == 1


async def test_a_step_that_waited_for_another_returns_what_that_one_committed(
    school: Any, ledger: Any, wait_until: Any
) -> None:
    """The snapshot of the waiting statement still shows the enrollment as movable."""
    course = await school.course()
    order = await school.hold_new(course.id)
    async with ledger.sql.transaction():
        await ledger.sql.execute(
            "update enrollment set status = 'ACTIVE', activated_at = clock_timestamp() where id = $1",
            order.enrollment_id,
        )
        waiting = [asyncio.ensure_future(school.end(order, EXPIRED)), asyncio.ensure_future(school.activate(order))]
        await wait_until(ledger.waiters, 2)
    ended, active = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(ended, IllegalMove)
    assert active.status == ACTIVE


async def test_a_step_that_waited_for_a_new_row_sees_it(school: Any, ledger: Any, wait_until: Any) -> None:
    course = await school.course()
    order = school.order(course.id)
    async with ledger.sql.transaction():
        bury = "insert into enrollment (id, saga_id, status) values ($1, $2, 'EXPIRED')"
        await ledger.sql.execute(bury, order.enrollment_id, order.saga_id)
        waiting = [asyncio.ensure_future(school.hold(order)), asyncio.ensure_future(school.end(order))]
        await wait_until(ledger.waiters, 2)
    held, ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(held, Cancelled)
    assert ended is None
    assert await ledger.count_taken_seats(course.id) == 0


async def test_two_calls_that_create_or_publish_one_course_at_once_return_the_same(school: Any, ledger: Any) -> None:
    for _ in range(5):
        request = school.draft_request()
        made = await asyncio.gather(*(school.bff.CreateCourse(request, timeout=10) for _ in range(5)))
        assert all(answer == made[0] for answer in made)
        published = await asyncio.gather(*(school.publish(request.course_id) for _ in range(5)))
        assert all(course == published[0] and course.published for course in published)


async def test_calls_that_change_seats_at_once_never_deadlock(school: Any, ledger: Any, database: Database) -> None:
    course = await school.course(seats=2)
    one_at_a_time = asyncio.Lock()

    async def come_and_go(number: int) -> None:
        for turn in range(10):
            order = school.order(course.id)
            with contextlib.suppress(CourseFull):
                await school.hold(order)
                async with one_at_a_time:
                    await ledger.lapse(order)
                if (number + turn) % 2:
                    await school.end(order)
                else:
                    await school.activate(order)
                    await school.cancel(order)

    with sent_by(database) as sent:
        await asyncio.gather(*(come_and_go(number) for number in range(10)))
    assert "40P01" not in sent.errors
    assert await ledger.count_taken_seats(course.id) <= 2


WORDS = ("HOLD", "ACTIVATE", "CANCEL", "LAPSE", *sorted(ENDS))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(st.sampled_from(WORDS), min_size=1, max_size=8))
async def test_in_any_order_of_calls_the_record_makes_legal_moves_and_the_seats_add_up(
    school: Any, ledger: Any, calls: list[str]
) -> None:
    course = await school.course(seats=1)
    order, expected, was_active = school.order(course.id), None, False
    for word in calls:
        try:
            expected, refusal = model(expected, word, was_active), ""
            was_active |= expected is Status.ACTIVE
        except Refusal as refused:
            refusal = refused.reason
        assert await outcome(school, ledger, order, word) == refusal, (word, expected)
        row = await ledger.row(order)
        assert (row["status"] if row else None) == expected
        assert await ledger.count_taken_seats(course.id) == (0 if expected is None or expected in ENDS else 1)


def model(now: Status | None, word: str, was_active: bool) -> Status | None:
    """The status of an enrollment (None: there is none) after this call."""
    if word == "LAPSE":
        return now
    if word == "HOLD":
        if now in ENDS:
            raise Cancelled
        return now or Status.PAYMENT_REQUIRED
    if word in ("ACTIVATE", "CANCEL"):
        if now is None:
            raise NotFound
        if word == "ACTIVATE" and now not in ENDS:
            return Status.ACTIVE
        if word == "CANCEL" and (now is Status.ACTIVE or was_active):
            return Status.CANCELLED
        raise IllegalMove
    if now is Status.ACTIVE:
        raise IllegalMove
    return now if now in ENDS else Status(word)


async def outcome(school: Any, ledger: Any, order: Any, word: str) -> str:
    """A refusal's reason, or nothing."""
    acts = {"HOLD": school.hold, "ACTIVATE": school.activate, "CANCEL": school.cancel}
    try:
        if word == "LAPSE":
            row = await ledger.row(order)
            if row and row["status"] == "PAYMENT_REQUIRED":
                await ledger.lapse(order)
        elif word in acts:
            await acts[word](order)
        else:
            await school.end(order, pb.EnrollmentStatus.Value(f"ENROLLMENT_STATUS_{word}"))
    except Refusal as refused:
        return refused.reason
    return ""
