"""Holding, activating, ending and cancelling an enrollment, over gRPC and PostgreSQL: repeats and tombstones."""

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
    order = school.order(course.id)
    held = await school.hold(order)
    assert (held.price, held.instructor_id) == (course.price, course.instructor_id)
    assert held.course_title == course.title
    assert 1795 < held.seconds_left <= 1800
    enrollment = await school.enrollment(order)
    for name in ("saga_id", "course_id", "student_id", "payment_id"):
        assert getattr(enrollment, name) == getattr(order, name), name
    assert (enrollment.id, enrollment.status) == (order.enrollment_id, PAYMENT_REQUIRED)
    assert (enrollment.price, enrollment.instructor_id) == (course.price, course.instructor_id)
    assert enrollment.hold_expires_at == held.expires_at
    assert not enrollment.HasField("activated_at")
    assert await ledger.count_taken_seats(course.id) == 1


async def test_a_free_seat_is_held_too_and_has_no_payment(school: Any, ledger: Any) -> None:
    course = await school.course(price=Money(amount_minor=0, currency="JPY"))
    order = await school.hold_new(course.id)
    assert (await school.enrollment(order)).payment_id == ""
    assert (await school.activate(order)).status == ACTIVE
    assert await ledger.count_taken_seats(course.id) == 1


async def test_repeating_a_hold_returns_the_first_hold(school: Any, ledger: Any) -> None:
    course = await school.course(seats=1)
    order = school.order(course.id)
    first, again = await school.hold(order), await school.hold(order)
    assert (again.price, again.expires_at, again.instructor_id) == (first.price, first.expires_at, first.instructor_id)
    assert again.seconds_left < first.seconds_left
    assert again.course_title == first.course_title == course.title
    active = await school.activate(order)
    assert (await school.hold(order)).expires_at == first.expires_at
    assert await school.enrollment(order) == active
    assert await ledger.count_taken_seats(course.id) == 1


async def test_a_paid_enrollment_is_active_and_repeating_it_changes_nothing(school: Any, ledger: Any) -> None:
    course = await school.course(seats=1)
    order = await school.hold_new(course.id)
    active = await school.activate(order)
    assert active.status == ACTIVE
    assert active.HasField("activated_at") and not active.HasField("hold_expires_at")
    assert await school.activate(order) == active == await school.enrollment(order)
    assert await ledger.count_taken_seats(course.id) == 1


@pytest.mark.parametrize("status", [CANCELLED, EXPIRED, PAYMENT_FAILED])
async def test_ending_an_unpaid_enrollment_frees_its_seat_once_and_the_first_end_stays(
    school: Any, ledger: Any, status: Any
) -> None:
    course = await school.course(seats=2)
    order = await school.hold_new(course.id)
    await school.hold_new(course.id)
    for end in (status, status, CANCELLED, EXPIRED, PAYMENT_FAILED):
        await school.end(order, end)
    assert await ledger.count_taken_seats(course.id) == 1
    ended = await school.enrollment(order)
    assert (ended.status, ended.HasField("hold_expires_at")) == (status, False)
    assert await refusal(school.activate(order)) == "ILLEGAL_MOVE"
    assert await refusal(school.hold(order)) == "CANCELLED"
    assert await refusal(school.cancel(order)) == "ILLEGAL_MOVE"


async def test_a_cancel_frees_the_seat_once(school: Any, ledger: Any) -> None:
    course = await school.course(seats=2)
    order = await school.hold_new(course.id)
    await school.hold_new(course.id)
    await school.activate(order)
    for _ in range(2):
        await school.cancel(order)
    assert await ledger.count_taken_seats(course.id) == 1
    cancelled = await school.enrollment(order)
    assert cancelled.status == CANCELLED and cancelled.HasField("activated_at")
    await school.end(order, EXPIRED)
    assert (await school.enrollment(order)).status == CANCELLED
    assert await refusal(school.activate(order)) == "ILLEGAL_MOVE"
    assert await refusal(school.hold(order)) == "CANCELLED"


async def test_an_active_enrollment_cannot_be_ended_as_unpaid(school: Any, ledger: Any) -> None:
    course = await school.course()
    order = await school.hold_new(course.id)
    await school.activate(order)
    for status in (CANCELLED, EXPIRED, PAYMENT_FAILED):
        with pytest.raises(IllegalMove, match="an enrollment cannot go from ACTIVE to "):
            await school.end(order, status)
    assert await ledger.count_taken_seats(course.id) == 1


async def test_only_an_active_enrollment_is_cancelled(school: Any, ledger: Any) -> None:
    course = await school.course()
    order = await school.hold_new(course.id)
    with pytest.raises(IllegalMove):
        await school.cancel(order)
    assert (await school.enrollment(order)).status == PAYMENT_REQUIRED
    assert await ledger.count_taken_seats(course.id) == 1


@pytest.mark.parametrize("status", [CANCELLED, EXPIRED, PAYMENT_FAILED])
async def test_35_ending_what_never_was_bars_its_late_hold(school: Any, ledger: Any, status: Any) -> None:
    course = await school.course(seats=1)
    order = school.order(course.id)
    for _ in range(2):
        await school.end(order, status)
    for _ in range(2):
        with pytest.raises(Cancelled):
            await school.hold(order)
    assert await refusal(school.activate(order)) == "ILLEGAL_MOVE"
    assert await refusal(school.cancel(order)) == "ILLEGAL_MOVE"
    row = await ledger.row(order)
    assert (row["status"], row["course_id"]) == (
        pb.EnrollmentStatus.Name(status).removeprefix("ENROLLMENT_STATUS_"),
        None,
    )
    assert await ledger.count_taken_seats(course.id) == 0


async def test_an_unknown_enrollment_is_neither_activated_nor_cancelled(school: Any, ledger: Any) -> None:
    order = school.order(str(uuid4()))
    for act in (school.activate, school.cancel):
        with pytest.raises(NotFound):
            await act(order)
    assert await ledger.row(order) is None


async def test_a_saga_changes_only_its_own_enrollment(school: Any, ledger: Any) -> None:
    course = await school.course()
    mine, theirs = await school.hold_new(course.id), await school.hold_new(course.id)
    stray = school.order(course.id, enrollment_id=mine.enrollment_id, saga_id=theirs.saga_id)
    unknown_saga = school.order(course.id, enrollment_id=mine.enrollment_id)
    unknown_enrollment = school.order(course.id, saga_id=mine.saga_id)
    for order in (stray, unknown_saga, unknown_enrollment):
        for act in (school.hold, school.end):
            with pytest.raises(BadInput) as refused:
                await act(order)
            assert refused.value.field == "saga_id"
        for act in (school.activate, school.cancel):
            with pytest.raises(NotFound):
                await act(order)
    for order in (mine, theirs):
        assert (await school.enrollment(order)).status == PAYMENT_REQUIRED
    assert await ledger.count_taken_seats(course.id) == 2


async def test_a_saga_does_not_repeat_its_hold_for_somebody_else(school: Any, ledger: Any) -> None:
    course, other = await school.course(), await school.course()
    order = await school.hold_new(course.id)
    for changed in ({"student_id": str(uuid4())}, {"course_id": other.id}):
        again = pb.HoldSeatRequest()
        again.CopyFrom(order)
        again.MergeFrom(pb.HoldSeatRequest(**changed))
        with pytest.raises(BadInput) as refused:
            await school.hold(again)
        assert refused.value.field == "saga_id"
    assert (await ledger.count_taken_seats(course.id), await ledger.count_taken_seats(other.id)) == (1, 0)


async def test_no_seat_is_held_in_an_unknown_or_unpublished_course(school: Any, ledger: Any) -> None:
    draft = await school.create()
    assert await refusal(school.hold(school.order(str(uuid4())))) == "COURSE_NOT_FOUND"
    order = school.order(draft.id)
    assert await refusal(school.hold(order)) == "COURSE_NOT_PUBLISHED"
    assert await ledger.row(order) is None
    await school.publish(draft.id)
    await school.hold(order)


async def test_the_instructor_has_no_seat_in_their_own_course(school: Any) -> None:
    course = await school.course()
    with pytest.raises(BadInput) as refused:
        await school.hold(school.order(course.id, student_id=course.instructor_id))
    assert refused.value.field == "student_id"


async def test_a_full_course_refuses_students_until_a_seat_is_freed(school: Any, ledger: Any) -> None:
    course = await school.course(seats=1)
    order, late = await school.hold_new(course.id), school.order(course.id)
    assert await refusal(school.hold(late)) == "COURSE_FULL"
    assert await ledger.row(late) is None
    await school.end(order)
    await school.hold(late)
    assert await ledger.count_taken_seats(course.id) == 1


async def test_a_student_has_one_seat_in_a_course(school: Any, ledger: Any) -> None:
    course = await school.course(seats=1)
    order = await school.hold_new(course.id)
    again = school.order(course.id, student_id=order.student_id)
    assert await refusal(school.hold(again)) == "ALREADY_ENROLLED"
    await school.activate(order)
    assert await refusal(school.hold(again)) == "ALREADY_ENROLLED"
    await school.hold_new((await school.course()).id, student_id=order.student_id)
    await school.cancel(order)
    await school.hold(again)
    assert await ledger.count_taken_seats(course.id) == 1
