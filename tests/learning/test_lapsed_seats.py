"""Lapsed holds: when another student takes their seat over, and how a late payer takes a seat again."""

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
    order = await school.hold_new(course.id)
    await ledger.lapse(order, ago=timedelta(seconds=5))
    assert (await school.hold(order)).seconds_left < 0
    assert await refusal(school.hold(school.order(course.id))) == "COURSE_FULL"
    assert await refusal(school.hold(school.order(course.id, student_id=order.student_id))) == "ALREADY_ENROLLED"
    assert (await school.activate(order)).status == ACTIVE


async def test_another_student_takes_over_the_seat_of_a_lapsed_hold_in_a_full_course(school: Any, ledger: Any) -> None:
    course = await school.course(seats=2)
    longer, lapsed = await school.hold_new(course.id), await school.hold_new(course.id)
    await ledger.lapse(lapsed)
    await ledger.lapse(longer, ago=timedelta(hours=2))
    await school.hold_new(course.id)
    rows = [await ledger.row(order) for order in (longer, lapsed)]
    assert [(row["status"], row["holds_seat"]) for row in rows] == [
        ("PAYMENT_REQUIRED", False),
        ("PAYMENT_REQUIRED", True),
    ]
    assert await ledger.count_taken_seats(course.id) == 2
    assert (await school.hold(longer)).seconds_left < 0
    await school.end(longer, EXPIRED)
    assert (await school.enrollment(longer)).status == EXPIRED
    assert await ledger.count_taken_seats(course.id) == 2


async def test_a_lapsed_hold_keeps_its_seat_while_another_seat_is_free(school: Any, ledger: Any) -> None:
    course = await school.course(seats=3)
    lapsed = await school.hold_new(course.id)
    await ledger.lapse(lapsed)
    await school.hold_new(course.id)
    assert (await ledger.row(lapsed))["holds_seat"]
    assert await ledger.count_taken_seats(course.id) == 2


@pytest.mark.parametrize("seats", [0, 1, 2])
async def test_a_students_new_hold_takes_over_the_seat_of_their_lapsed_one(
    school: Any, ledger: Any, seats: int
) -> None:
    course = await school.course(seats=seats)
    lapsed = await school.hold_new(course.id)
    await ledger.lapse(lapsed)
    await school.hold_new(course.id, student_id=lapsed.student_id)
    assert not (await ledger.row(lapsed))["holds_seat"]
    assert await ledger.count_taken_seats(course.id) == 1
    assert await refusal(school.activate(lapsed)) == "COURSE_FULL"
    assert await ledger.count_taken_seats(course.id) == 1


async def evict_lapsed(school: Any, ledger: Any, course_id: str) -> tuple[Any, Any]:
    """Let a hold lose the last seat of a course: the order that lost it, and the order that has it now."""
    lapsed = await school.hold_new(course_id)
    await ledger.lapse(lapsed)
    return lapsed, await school.hold_new(course_id)


async def test_a_late_payer_takes_a_seat_again_when_one_is_free(school: Any, ledger: Any) -> None:
    course = await school.course(seats=1)
    lapsed, new = await evict_lapsed(school, ledger, course.id)
    await school.end(new)
    won = await school.activate(lapsed)
    assert won.status == ACTIVE
    assert await school.activate(lapsed) == won
    assert await ledger.count_taken_seats(course.id) == 1
    await school.cancel(lapsed)
    assert await ledger.count_taken_seats(course.id) == 0


async def test_a_late_payer_does_not_take_a_seat_that_is_held(school: Any, ledger: Any) -> None:
    course = await school.course(seats=1)
    lapsed, new = await evict_lapsed(school, ledger, course.id)
    for _ in range(2):
        assert await refusal(school.activate(lapsed)) == "COURSE_FULL"
    await school.activate(new)
    assert await refusal(school.activate(lapsed)) == "COURSE_FULL"
    assert await ledger.count_taken_seats(course.id) == 1


async def test_a_late_payer_takes_over_the_seat_of_another_lapsed_hold(school: Any, ledger: Any) -> None:
    course = await school.course(seats=1)
    lapsed, new = await evict_lapsed(school, ledger, course.id)
    await ledger.lapse(new)
    assert (await school.activate(lapsed)).status == ACTIVE
    assert await refusal(school.activate(new)) == "COURSE_FULL"
    assert await ledger.count_taken_seats(course.id) == 1


async def test_an_ended_enrollment_takes_no_seat_again(school: Any, ledger: Any) -> None:
    course = await school.course(seats=1)
    lapsed, new = await evict_lapsed(school, ledger, course.id)
    await school.end(lapsed, EXPIRED)
    await school.end(new)
    assert await refusal(school.activate(lapsed)) == "ILLEGAL_MOVE"
    assert await ledger.count_taken_seats(course.id) == 0


async def test_a_student_who_lost_a_seat_may_hold_another_under_a_new_saga(school: Any, ledger: Any) -> None:
    course = await school.course(seats=2)
    lapsed, _ = await school.hold_new(course.id), await school.hold_new(course.id)
    await ledger.lapse(lapsed)
    other = await school.hold_new(course.id)
    await school.end(other)
    await school.hold_new(course.id, student_id=lapsed.student_id)
    assert await refusal(school.activate(lapsed)) == "COURSE_FULL"
    assert await ledger.count_taken_seats(course.id) == 2
