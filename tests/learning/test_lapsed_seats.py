"""A hold that has lapsed: when it gives way, to whom, and how one who paid late wins a seat again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mesh.errors import Refusal
from tutormesh.learning.v1 import learning_pb2 as pb

ACTIVE, EXPIRED = pb.ENROLLMENT_STATUS_ACTIVE, pb.ENROLLMENT_STATUS_EXPIRED


async def refusal(act: Any) -> str:
    with pytest.raises(Refusal) as refused:
        await act
    return refused.value.reason


async def test_a_lapsed_hold_keeps_its_seat_within_its_grace(school: Any, ledger: Any) -> None:
    course = await school.course(seats=1)
    wish = await school.held(course.id)
    await ledger.lapse(wish, ago=timedelta(seconds=5))
    assert (await school.hold(wish)).seconds_left < 0
    assert await refusal(school.hold(school.wish(course.id))) == "COURSE_FULL"
    assert await refusal(school.hold(school.wish(course.id, student_id=wish.student_id))) == "ALREADY_ENROLLED"
    assert (await school.activate(wish)).status == ACTIVE


async def test_a_lapsed_hold_gives_way_to_one_who_wants_the_last_seat(school: Any, ledger: Any) -> None:
    course = await school.course(seats=2)
    longer, lapsed = await school.held(course.id), await school.held(course.id)
    await ledger.lapse(lapsed)
    await ledger.lapse(longer, ago=timedelta(hours=2))
    await school.held(course.id)
    rows = [await ledger.row(wish) for wish in (longer, lapsed)]
    assert [(row["status"], row["holds_seat"]) for row in rows] == [
        ("PAYMENT_REQUIRED", False),
        ("PAYMENT_REQUIRED", True),
    ]
    assert await ledger.taken(course.id) == 2
    assert (await school.hold(longer)).seconds_left < 0
    await school.end(longer, EXPIRED)
    assert (await school.enrollment(longer)).status == EXPIRED
    assert await ledger.taken(course.id) == 2


async def test_a_lapsed_hold_stays_while_there_is_room_beside_it(school: Any, ledger: Any) -> None:
    course = await school.course(seats=3)
    lapsed = await school.held(course.id)
    await ledger.lapse(lapsed)
    await school.held(course.id)
    assert (await ledger.row(lapsed))["holds_seat"]
    assert await ledger.taken(course.id) == 2


@pytest.mark.parametrize("seats", [0, 1, 2])
async def test_a_students_own_lapsed_hold_gives_way_to_their_new_one(school: Any, ledger: Any, seats: int) -> None:
    course = await school.course(seats=seats)
    lapsed = await school.held(course.id)
    await ledger.lapse(lapsed)
    await school.held(course.id, student_id=lapsed.student_id)
    assert not (await ledger.row(lapsed))["holds_seat"]
    assert await ledger.taken(course.id) == 1
    assert await refusal(school.activate(lapsed)) == "COURSE_FULL"
    assert await ledger.taken(course.id) == 1


async def evicted(school: Any, ledger: Any, course_id: str) -> tuple[Any, Any]:
    """One who lost the last seat of a course by lapsing, and one who has it now."""
    lapsed = await school.held(course_id)
    await ledger.lapse(lapsed)
    return lapsed, await school.held(course_id)


async def test_one_who_paid_late_wins_a_seat_again_when_there_is_one(school: Any, ledger: Any) -> None:
    course = await school.course(seats=1)
    lapsed, new = await evicted(school, ledger, course.id)
    await school.end(new)
    won = await school.activate(lapsed)
    assert won.status == ACTIVE
    assert await school.activate(lapsed) == won
    assert await ledger.taken(course.id) == 1
    await school.cancel(lapsed)
    assert await ledger.taken(course.id) == 0


async def test_one_who_paid_late_does_not_take_a_seat_that_is_held(school: Any, ledger: Any) -> None:
    course = await school.course(seats=1)
    lapsed, new = await evicted(school, ledger, course.id)
    for _ in range(2):
        assert await refusal(school.activate(lapsed)) == "COURSE_FULL"
    await school.activate(new)
    assert await refusal(school.activate(lapsed)) == "COURSE_FULL"
    assert await ledger.taken(course.id) == 1


async def test_one_who_paid_late_takes_the_seat_of_one_who_lapsed(school: Any, ledger: Any) -> None:
    course = await school.course(seats=1)
    lapsed, new = await evicted(school, ledger, course.id)
    await ledger.lapse(new)
    assert (await school.activate(lapsed)).status == ACTIVE
    assert await refusal(school.activate(new)) == "COURSE_FULL"
    assert await ledger.taken(course.id) == 1


async def test_one_who_lost_the_seat_and_was_ended_wins_nothing(school: Any, ledger: Any) -> None:
    course = await school.course(seats=1)
    lapsed, new = await evicted(school, ledger, course.id)
    await school.end(lapsed, EXPIRED)
    await school.end(new)
    assert await refusal(school.activate(lapsed)) == "ILLEGAL_MOVE"
    assert await ledger.taken(course.id) == 0


async def test_one_who_lost_the_seat_may_hold_another_under_a_new_saga(school: Any, ledger: Any) -> None:
    course = await school.course(seats=2)
    lapsed, _ = await school.held(course.id), await school.held(course.id)
    await ledger.lapse(lapsed)
    other = await school.held(course.id)
    await school.end(other)
    await school.held(course.id, student_id=lapsed.student_id)
    assert await refusal(school.activate(lapsed)) == "COURSE_FULL"
    assert await ledger.taken(course.id) == 2
