"""Reading enrollments: permissions and pages; and bad input of a saga's steps."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from learning_svc.store.enrollments import _OF_STUDENT
from mesh.errors import BadInput, Forbidden, NotFound
from tests.statements import explain
from tutormesh.learning.v1 import learning_pb2 as pb

TIMEOUT = 10


async def list_page(stub: Any, student: str = "", size: int = 0, token: str = "") -> pb.ListEnrollmentsResponse:
    wanted = pb.ListEnrollmentsRequest(student_id=student, page_size=size, page_token=token)
    return await stub.ListEnrollments(wanted, timeout=TIMEOUT)


async def list_all_pages(stub: Any, student: str = "", size: int = 2) -> list[pb.Enrollment]:
    page = await list_page(stub, student, size)
    seen = list(page.enrollments)
    while page.next_page_token:
        page = await list_page(stub, student, size, page.next_page_token)
        seen += page.enrollments
    return seen


def ids(enrollments: Any) -> list[str]:
    return [each.id for each in enrollments]


async def test_an_enrollment_is_seen_by_its_student_the_instructor_admins_and_services(school: Any) -> None:
    course = await school.course()
    order = await school.hold_new(course.id)
    enrollment = await school.activate(order)
    mine, taught = school.student(order.student_id), school.tutor(course.instructor_id)
    for stub in (mine, taught, school.stub("bff", "admin", uuid4()), school.bff, school.ops, school.payment):
        assert await school.enrollment(order, stub) == enrollment


async def test_another_persons_enrollment_is_not_found_like_an_unknown_one(school: Any) -> None:
    order = await school.hold_new((await school.course()).id)
    fellow = await school.hold_new(order.course_id)
    for stranger in (school.student(uuid4()), school.student(fellow.student_id), school.tutor(uuid4())):
        answers = []
        for asked in (order, school.order(order.course_id)):
            with pytest.raises(NotFound) as refused:
                await school.enrollment(asked, stranger)
            answers.append((refused.value.message, refused.value.field))
        assert answers[0] == answers[1]


async def test_only_the_list_of_ops_shows_tombstones(school: Any) -> None:
    order = school.order((await school.course()).id)
    await school.end(order, pb.ENROLLMENT_STATUS_EXPIRED)
    wanted = pb.BatchGetEnrollmentsRequest(enrollment_ids=[order.enrollment_id])
    for stub in (school.student(order.student_id), school.bff, school.ops):
        with pytest.raises(NotFound):
            await school.enrollment(order, stub)
        assert list((await stub.BatchGetEnrollments(wanted, timeout=TIMEOUT)).enrollments) == []
    assert order.enrollment_id not in ids(await list_all_pages(school.bff, order.student_id))
    (grave,) = [each for each in await list_all_pages(school.ops, size=1000) if each.id == order.enrollment_id]
    assert (grave.saga_id, grave.status) == (order.saga_id, pb.ENROLLMENT_STATUS_EXPIRED)
    assert (grave.course_id, grave.student_id, grave.instructor_id, grave.payment_id) == ("", "", "", "")
    assert not grave.HasField("price") and grave.HasField("created_at")


async def test_a_batch_leaves_out_enrollments_that_the_caller_may_not_see(school: Any) -> None:
    course = await school.course()
    mine, theirs = await school.hold_new(course.id), await school.hold_new(course.id)
    own = [mine.enrollment_id, mine.enrollment_id]
    wanted = pb.BatchGetEnrollmentsRequest(enrollment_ids=[*own, theirs.enrollment_id, str(uuid4())])
    both = sorted([mine.enrollment_id, theirs.enrollment_id])
    for stub, seen in (
        (school.student(mine.student_id), [mine.enrollment_id]),
        (school.student(uuid4()), []),
        (school.tutor(course.instructor_id), both),
        (school.bff, both),
    ):
        assert sorted(ids((await stub.BatchGetEnrollments(wanted, timeout=TIMEOUT)).enrollments)) == seen


@pytest.mark.parametrize("wanted", [["me"], [str(uuid4()) for _ in range(201)]])
async def test_a_bad_batch_of_enrollments_names_its_field(school: Any, wanted: list[str]) -> None:
    with pytest.raises(BadInput) as refused:
        await school.bff.BatchGetEnrollments(pb.BatchGetEnrollmentsRequest(enrollment_ids=wanted), timeout=TIMEOUT)
    assert refused.value.field == "enrollment_ids"


async def test_a_student_pages_through_enrollments_newest_first_unchanged_by_new_ones(school: Any) -> None:
    me = str(uuid4())
    made = [await school.sell_new((await school.course()).id, student_id=me) for _ in range(6)]
    expected = [order.enrollment_id for order in reversed(made)]
    for stub in (school.student(me), school.bff, school.stub("bff", "admin", uuid4())):
        assert ids(await list_all_pages(stub, me)) == expected
    page = await list_page(school.student(me), me, 2)
    seen = list(page.enrollments)
    while page.next_page_token:
        await school.sell_new((await school.course()).id, student_id=me)
        await school.cancel(made[0])
        page = await list_page(school.student(me), me, 2, page.next_page_token)
        seen += page.enrollments
    assert ids(seen) == expected


async def test_a_student_lists_only_their_own_enrollments(school: Any) -> None:
    order = await school.hold_new((await school.course()).id)
    for stub in (school.student(uuid4()), school.tutor(uuid4())):
        with pytest.raises(Forbidden):
            await list_page(stub, order.student_id)


async def test_only_ops_on_its_own_behalf_lists_everybodys_records(school: Any, sql: asyncpg.Connection) -> None:
    await school.hold_new((await school.course()).id)
    for stub in (school.bff, school.student(uuid4()), school.stub("bff", "admin"), school.stub("ops", "admin")):
        with pytest.raises(Forbidden):
            await list_page(stub)
    stored = await sql.fetch("select id from enrollment order by id")
    assert ids(await list_all_pages(school.ops, size=3)) == [str(row["id"]) for row in stored]


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"student_id": "me"}, "student_id"),
        ({"page_size": -1}, "page_size"),
        ({"page_size": 101}, "page_size"),
        ({"page_token": "2"}, "page_token"),
    ],
)
async def test_a_bad_list_request_names_its_field(school: Any, wanted: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as refused:
        request = pb.ListEnrollmentsRequest(**({"student_id": str(uuid4())} | wanted))
        await school.bff.ListEnrollments(request, timeout=TIMEOUT)
    assert refused.value.field == field


async def test_ops_pages_by_id_with_up_to_a_thousand_rows(school: Any) -> None:
    for wanted in ({"page_size": 1001}, {"page_token": "2"}):
        with pytest.raises(BadInput):
            await school.ops.ListEnrollments(pb.ListEnrollmentsRequest(**wanted), timeout=TIMEOUT)


@pytest.mark.parametrize("field", ["saga_id", "enrollment_id", "course_id", "student_id", "payment_id"])
@pytest.mark.parametrize("value", ["", "42"])
async def test_a_bad_hold_names_its_field_and_holds_nothing(school: Any, ledger: Any, field: str, value: str) -> None:
    course = await school.course()
    with pytest.raises(BadInput) as refused:
        await school.hold(school.order(course.id, **{field: value}))
    assert refused.value.field == field
    assert await ledger.count_taken_seats(course.id) == 0


@pytest.mark.parametrize("field", ["saga_id", "enrollment_id"])
async def test_a_bad_step_names_its_field(school: Any, field: str) -> None:
    order = school.order(str(uuid4()), **{field: "none"})
    for act in (school.activate, school.end, school.cancel):
        with pytest.raises(BadInput) as refused:
            await act(order)
        assert refused.value.field == field
    if field == "enrollment_id":
        with pytest.raises(BadInput) as refused:
            await school.enrollment(order)
        assert refused.value.field == field


@pytest.mark.parametrize("status", [0, pb.ENROLLMENT_STATUS_PAYMENT_REQUIRED, pb.ENROLLMENT_STATUS_ACTIVE, 99])
async def test_a_bad_end_names_its_field_and_ends_nothing(school: Any, ledger: Any, status: Any) -> None:
    order = school.order(str(uuid4()))
    with pytest.raises(BadInput) as refused:
        await school.end(order, status)
    assert refused.value.field == "status"
    assert await ledger.row(order) is None


async def test_only_payment_sells_seats(school: Any) -> None:
    order = school.order((await school.course()).id)
    names = {"enrollment_id": order.enrollment_id, "saga_id": order.saga_id}
    for stub in (school.bff, school.ops, school.student(order.student_id), school.stub("bff", "admin", uuid4())):
        for act, request in (
            (stub.HoldSeat, order),
            (stub.CreateEnrollmentRecord, pb.CreateEnrollmentRecordRequest(**names)),
            (stub.EndEnrollment, pb.EndEnrollmentRequest(**names, status=pb.ENROLLMENT_STATUS_CANCELLED)),
            (stub.CancelEnrollment, pb.CancelEnrollmentRequest(**names)),
        ):
            with pytest.raises(Forbidden):
                await act(request, timeout=TIMEOUT)


async def test_a_students_list_reads_its_index(sql: asyncpg.Connection) -> None:
    plan = await explain(sql, _OF_STUDENT, {"student": uuid4(), "at": None, "id": None, "most": 3})
    assert "Scan Backward using enrollment_of_student" in plan and "Sort" not in plan
