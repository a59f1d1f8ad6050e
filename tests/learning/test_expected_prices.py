"""A seat is held at the price that the student was shown, or not at all."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from mesh.errors import Refusal
from tutormesh.common.v1.money_pb2 import Money


async def refusal(act: Any) -> Refusal:
    with pytest.raises(Refusal) as refused:
        await act
    return refused.value


async def test_57_the_courses_price_holds_the_seat_and_its_repeat(school: Any, ledger: Any) -> None:
    course = await school.course()
    order = school.order(course.id, expected_price=course.price)
    for _ in range(2):
        assert (await school.hold(order)).price == course.price
    assert await ledger.count_taken_seats(course.id) == 1
    assert (await school.enrollment(order)).price == course.price


@pytest.mark.parametrize("change", [{"amount_minor": 1}, {"amount_minor": 0}, {"currency": "JPY"}])
async def test_57_another_price_holds_nothing_and_leaves_no_row(
    school: Any, ledger: Any, change: dict[str, Any]
) -> None:
    course = await school.course(seats=1)
    shown = Money(amount_minor=course.price.amount_minor, currency=course.price.currency)
    for name, value in change.items():
        setattr(shown, name, value)
    order = school.order(course.id, expected_price=shown)
    refused = await refusal(school.hold(order))
    assert (refused.reason, refused.field) == ("AMOUNT_MISMATCH", "price")
    assert await ledger.count_taken_seats(course.id) == 0
    assert (await refusal(school.enrollment(order))).reason == "NOT_FOUND"
    await school.hold(school.order(course.id, student_id=order.student_id))  # the seat is free


async def test_57_a_mismatch_is_told_after_what_keeps_the_student_out_and_before_a_full_course(school: Any) -> None:
    course, wrong = await school.course(seats=1), Money(amount_minor=1, currency="USD")
    taken = await school.hold_new(course.id)
    again = school.order(course.id, student_id=taken.student_id, expected_price=wrong)
    assert (await refusal(school.hold(again))).reason == "ALREADY_ENROLLED"
    assert (await refusal(school.hold(school.order(course.id, expected_price=wrong)))).reason == "AMOUNT_MISMATCH"
    assert (await refusal(school.hold(school.order(course.id)))).reason == "COURSE_FULL"
    unknown = school.order(str(uuid4()), expected_price=wrong)
    assert (await refusal(school.hold(unknown))).reason == "COURSE_NOT_FOUND"


async def test_what_is_no_price_is_bad_input(school: Any) -> None:
    course = await school.course()
    for wrong in (Money(), Money(amount_minor=-1, currency="USD"), Money(amount_minor=1, currency="XXB")):
        refused = await refusal(school.hold(school.order(course.id, expected_price=wrong)))
        assert (refused.reason, refused.field) == ("BAD_USER_INPUT", "expected_price")
