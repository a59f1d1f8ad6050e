"""Holding a seat, winning it, giving it back, over gRPC and PostgreSQL: repeats, tombstones, lapsed holds."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from mesh.errors import BadInput, Cancelled, IllegalMove, NotFound, Refusal
from tutormesh.common.v1.money_pb2 import Money
from tutormesh.learning.v1 import learning_pb2 as pb

PAYMENT_REQUIRED, ACTIVE = pb.ENROLLMENT_STATUS_PAYMENT_REQUIRED, pb.ENROLLMENT_STATUS_ACTIVE
CANCELLED, EXPIRED = pb.ENROLLMENT_STATUS_CANCELLED, pb.ENROLLMENT_STATUS_EXPIRED
PAYMENT_FAILED = pb.ENROLLMENT_STATUS_PAYMENT_FAILED


async def refusal(act: Any) -> str:
    with pytest.raises(Refusal) as refused:
        await act
    return refused.value.reason


async def test_a_held_seat_is_recorded_with_its_price_and_its_end(school: Any, ledger: Any) -> None:
    course = await school.course(seats=3)
    wish = school.wish(course.id)
    held = await school.hold(wish)
    assert (held.price, held.instructor_id) == (course.price, course.instructor_id)
    assert 1795 < held.seconds_left <= 1800
    enrollment = await school.enrollment(wish)
    for name in ("saga_id", "course_id", "student_id", "payment_id"):
        assert getattr(enrollment, name) == getattr(wish, name), name
    assert (enrollment.id, enrollment.status) == (wish.enrollment_id, PAYMENT_REQUIRED)
    assert (enrollment.price, enrollment.instructor_id) == (course.price, course.instructor_id)
    assert enrollment.hold_expires_at == held.expires_at
    assert not enrollment.HasField("activated_at")
    assert await ledger.taken(course.id) == 1


async def test_a_free_seat_is_held_too_and_has_no_payment(school: Any, ledger: Any) -> None:
    course = await school.course(price=Money(amount_minor=0, currency="JPY"))
    wish = await school.held(course.id)
    assert (await school.enrollment(wish)).payment_id == ""
    assert (await school.activate(wish)).status == ACTIVE
    assert await ledger.taken(course.id) == 1


async def test_repeating_a_hold_gives_the_first_answer(school: Any, ledger: Any) -> None:
    course = await school.course(seats=1)
    wish = school.wish(course.id)
    first, again = await school.hold(wish), await school.hold(wish)
    assert (again.price, again.expires_at, again.instructor_id) == (first.price, first.expires_at, first.instructor_id)
    assert again.seconds_left < first.seconds_left
    active = await school.activate(wish)
    assert (await school.hold(wish)).expires_at == first.expires_at
    assert await school.enrollment(wish) == active
    assert await ledger.taken(course.id) == 1


async def test_a_paid_enrollment_is_active_and_repeating_it_changes_nothing(school: Any, ledger: Any) -> None:
    course = await school.course(seats=1)
    wish = await school.held(course.id)
    active = await school.activate(wish)
    assert active.status == ACTIVE
    assert active.HasField("activated_at") and not active.HasField("hold_expires_at")
    assert await school.activate(wish) == active == await school.enrollment(wish)
    assert await ledger.taken(course.id) == 1


@pytest.mark.parametrize("status", [CANCELLED, EXPIRED, PAYMENT_FAILED])
async def test_an_unpaid_end_gives_the_seat_back_once_and_the_first_end_wins(
    school: Any, ledger: Any, status: Any
) -> None:
    course = await school.course(seats=2)
    wish = await school.held(course.id)
    await school.held(course.id)
    for told in (status, status, CANCELLED, EXPIRED, PAYMENT_FAILED):
        await school.end(wish, told)
    assert await ledger.taken(course.id) == 1
    ended = await school.enrollment(wish)
    assert (ended.status, ended.HasField("hold_expires_at")) == (status, False)
    assert await refusal(school.activate(wish)) == "ILLEGAL_MOVE"
    assert await refusal(school.hold(wish)) == "CANCELLED"
    assert await refusal(school.cancel(wish)) == "ILLEGAL_MOVE"


async def test_a_cancel_gives_the_seat_back_once(school: Any, ledger: Any) -> None:
    course = await school.course(seats=2)
    wish = await school.held(course.id)
    await school.held(course.id)
    await school.activate(wish)
    for _ in range(2):
        await school.cancel(wish)
    assert await ledger.taken(course.id) == 1
    cancelled = await school.enrollment(wish)
    assert cancelled.status == CANCELLED and cancelled.HasField("activated_at")
    await school.end(wish, EXPIRED)
    assert (await school.enrollment(wish)).status == CANCELLED
    assert await refusal(school.activate(wish)) == "ILLEGAL_MOVE"
    assert await refusal(school.hold(wish)) == "CANCELLED"


async def test_an_active_enrollment_is_not_ended_as_an_unpaid_one_is(school: Any, ledger: Any) -> None:
    course = await school.course()
    wish = await school.held(course.id)
    await school.activate(wish)
    for status in (CANCELLED, EXPIRED, PAYMENT_FAILED):
        with pytest.raises(IllegalMove, match="an enrollment cannot go from ACTIVE to "):
            await school.end(wish, status)
    assert await ledger.taken(course.id) == 1


async def test_only_an_active_enrollment_is_cancelled(school: Any, ledger: Any) -> None:
    course = await school.course()
    wish = await school.held(course.id)
    with pytest.raises(IllegalMove):
        await school.cancel(wish)
    assert (await school.enrollment(wish)).status == PAYMENT_REQUIRED
    assert await ledger.taken(course.id) == 1


@pytest.mark.parametrize("status", [CANCELLED, EXPIRED, PAYMENT_FAILED])
async def test_35_ending_what_never_was_bars_its_late_hold(school: Any, ledger: Any, status: Any) -> None:
    course = await school.course(seats=1)
    wish = school.wish(course.id)
    for _ in range(2):
        await school.end(wish, status)
    for _ in range(2):
        with pytest.raises(Cancelled):
            await school.hold(wish)
    assert await refusal(school.activate(wish)) == "ILLEGAL_MOVE"
    assert await refusal(school.cancel(wish)) == "ILLEGAL_MOVE"
    row = await ledger.row(wish)
    assert (row["status"], row["course_id"]) == (
        pb.EnrollmentStatus.Name(status).removeprefix("ENROLLMENT_STATUS_"),
        None,
    )
    assert await ledger.taken(course.id) == 0


async def test_what_never_was_is_neither_activated_nor_cancelled(school: Any, ledger: Any) -> None:
    wish = school.wish(str(uuid4()))
    for act in (school.activate, school.cancel):
        with pytest.raises(NotFound):
            await act(wish)
    assert await ledger.row(wish) is None


async def test_a_saga_touches_no_enrollment_but_its_own(school: Any, ledger: Any) -> None:
    course = await school.course()
    mine, theirs = await school.held(course.id), await school.held(course.id)
    stray = school.wish(course.id, enrollment_id=mine.enrollment_id, saga_id=theirs.saga_id)
    unknown_saga = school.wish(course.id, enrollment_id=mine.enrollment_id)
    unknown_enrollment = school.wish(course.id, saga_id=mine.saga_id)
    for wish in (stray, unknown_saga, unknown_enrollment):
        for act in (school.hold, school.end):
            with pytest.raises(BadInput) as refused:
                await act(wish)
            assert refused.value.field == "saga_id"
        for act in (school.activate, school.cancel):
            with pytest.raises(NotFound):
                await act(wish)
    for wish in (mine, theirs):
        assert (await school.enrollment(wish)).status == PAYMENT_REQUIRED
    assert await ledger.taken(course.id) == 2


async def test_a_saga_does_not_repeat_its_hold_for_somebody_else(school: Any, ledger: Any) -> None:
    course, other = await school.course(), await school.course()
    wish = await school.held(course.id)
    for changed in ({"student_id": str(uuid4())}, {"course_id": other.id}):
        again = pb.HoldSeatRequest()
        again.CopyFrom(wish)
        again.MergeFrom(pb.HoldSeatRequest(**changed))
        with pytest.raises(BadInput) as refused:
            await school.hold(again)
        assert refused.value.field == "saga_id"
    assert (await ledger.taken(course.id), await ledger.taken(other.id)) == (1, 0)


async def test_no_seat_of_a_course_that_is_not_there_or_not_published(school: Any, ledger: Any) -> None:
    draft = await school.create()
    assert await refusal(school.hold(school.wish(str(uuid4())))) == "COURSE_NOT_FOUND"
    wish = school.wish(draft.id)
    assert await refusal(school.hold(wish)) == "COURSE_NOT_PUBLISHED"
    assert await ledger.row(wish) is None
    await school.publish(draft.id)
    await school.hold(wish)


async def test_the_instructor_has_no_seat_in_their_own_course(school: Any) -> None:
    course = await school.course()
    with pytest.raises(BadInput) as refused:
        await school.hold(school.wish(course.id, student_id=course.instructor_id))
    assert refused.value.field == "student_id"


async def test_a_full_course_takes_nobody_until_a_seat_is_given_back(school: Any, ledger: Any) -> None:
    course = await school.course(seats=1)
    wish, late = await school.held(course.id), school.wish(course.id)
    assert await refusal(school.hold(late)) == "COURSE_FULL"
    assert await ledger.row(late) is None
    await school.end(wish)
    await school.hold(late)
    assert await ledger.taken(course.id) == 1


async def test_a_student_has_one_seat_in_a_course(school: Any, ledger: Any) -> None:
    course = await school.course(seats=1)
    wish = await school.held(course.id)
    again = school.wish(course.id, student_id=wish.student_id)
    assert await refusal(school.hold(again)) == "ALREADY_ENROLLED"
    await school.activate(wish)
    assert await refusal(school.hold(again)) == "ALREADY_ENROLLED"
    await school.held((await school.course()).id, student_id=wish.student_id)
    await school.cancel(wish)
    await school.hold(again)
    assert await ledger.taken(course.id) == 1
