"""Creating, publishing and reading courses: permissions, repeats, pages, bad input."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from learning_svc.store.courses import _PUBLISHED
from mesh.errors import BadInput, Forbidden, Refusal
from tests.statements import explain
from tutormesh.common.v1.money_pb2 import Money
from tutormesh.learning.v1 import learning_pb2 as pb

TIMEOUT = 10


async def refusal(act: Any) -> tuple[str, str]:
    with pytest.raises(Refusal) as refused:
        await act
    return refused.value.reason, refused.value.message


async def list_page(stub: Any, size: int = 0, token: str = "") -> pb.ListCoursesResponse:
    return await stub.ListCourses(pb.ListCoursesRequest(page_size=size, page_token=token), timeout=TIMEOUT)


async def list_all_pages(stub: Any, size: int = 2) -> list[str]:
    page = await list_page(stub, size)
    seen = list(page.courses)
    while page.next_page_token:
        page = await list_page(stub, size, page.next_page_token)
        seen += page.courses
    return [course.id for course in seen]


async def test_a_draft_is_read_as_it_was_created(school: Any) -> None:
    request = school.draft_request(seats=12, title="Ünïcode — 数学")
    course = (await school.bff.CreateCourse(request, timeout=TIMEOUT)).course
    for name in ("title", "instructor_id", "price", "seats"):
        assert getattr(course, name) == getattr(request, name), name
    assert (course.id, course.published, course.seats_taken) == (request.course_id, False, 0)
    assert course.HasField("created_at")
    assert await school.get_course(course.id) == course


@pytest.mark.parametrize(
    ("asked", "price"),
    [
        (Money(amount_minor=0, currency="USD"), 0),
        (Money(amount_minor=50, currency="USD"), 50),
        (Money(amount_minor=1255, currency="KWD"), 1260),
        (Money(amount_minor=1245, currency="KWD"), 1240),
        (Money(amount_minor=100_000_000, currency="IDR"), 100_000_000),
        (Money(amount_minor=999_999, currency="UGX"), 999_999),
    ],
)
async def test_a_price_is_rounded_half_even_to_what_can_be_charged(school: Any, asked: Money, price: int) -> None:
    course = await school.create(price=asked)
    assert course.price == Money(amount_minor=price, currency=asked.currency)
    assert (await school.get_course(course.id)).price == course.price


@pytest.mark.parametrize("title", ["x" * 200, "\u180e", "\u200b", "🎓" * 200])
async def test_a_title_keeps_every_character(school: Any, title: str) -> None:
    assert (await school.create(title=title)).title == title


async def test_a_course_without_an_id_gets_one(school: Any) -> None:
    first, second = await school.create(course_id=""), await school.create(course_id="")
    assert UUID(first.id) != UUID(second.id)


async def test_a_tutors_course_is_their_own(school: Any) -> None:
    me = uuid4()
    for named in ("", str(me)):
        course = await school.create(school.tutor(me), instructor_id=named)
        assert course.instructor_id == str(me)
    with pytest.raises(Forbidden):
        await school.create(school.tutor(me), instructor_id=str(uuid4()))


async def test_a_student_cannot_create_a_course(school: Any, sql: asyncpg.Connection) -> None:
    me, before = uuid4(), await sql.fetchval("select count(*) from course")
    for named in ("", str(me), str(uuid4())):
        with pytest.raises(Forbidden):
            await school.create(school.student(me), instructor_id=named)
    assert await sql.fetchval("select count(*) from course") == before


async def test_an_admin_and_a_service_may_name_the_instructor(school: Any) -> None:
    named, me = str(uuid4()), uuid4()
    admin, service = school.stub("bff", "admin", me), school.stub("bff", "service", me)
    for stub in (admin, service, school.bff, school.ops):
        assert (await school.create(stub, instructor_id=named)).instructor_id == named
    assert (await school.create(admin, instructor_id="")).instructor_id == str(me)
    for stub in (service, school.bff, school.ops):
        with pytest.raises(BadInput) as refused:
            await school.create(stub, instructor_id="")
        assert refused.value.field == "instructor_id"


async def test_repeating_a_course_id_returns_the_first_course(school: Any, sql: asyncpg.Connection) -> None:
    request = school.draft_request(seats=3)
    first = (await school.bff.CreateCourse(request, timeout=TIMEOUT)).course
    request.title, request.seats = "Something else", 9
    assert (await school.bff.CreateCourse(request, timeout=TIMEOUT)).course == first
    published = await school.publish(first.id)
    assert (await school.bff.CreateCourse(request, timeout=TIMEOUT)).course == published
    assert await sql.fetchval("select count(*) from course where id = $1", first.id) == 1


async def test_a_repeat_that_must_be_exact_is_refused_with_other_content(school: Any) -> None:
    request = school.draft_request(seats=3, price=Money(amount_minor=1255, currency="KWD"), exact_repeat=True)
    first = (await school.bff.CreateCourse(request, timeout=TIMEOUT)).course
    published = await school.publish(first.id)
    assert (await school.bff.CreateCourse(request, timeout=TIMEOUT)).course == published
    for other in ({"title": "Roots"}, {"seats": 0}, {"price": Money(amount_minor=1270, currency="KWD")}):
        fields = {field.name: value for field, value in request.ListFields()}
        changed = pb.CreateCourseRequest(**fields | other)
        assert (await refusal(school.bff.CreateCourse(changed, timeout=TIMEOUT)))[0] == "IDEMPOTENCY_MISMATCH", other
    assert await school.get_course(first.id) == published


async def test_the_id_of_another_instructors_course_is_refused(school: Any) -> None:
    course = await school.create()
    with pytest.raises(BadInput) as refused:
        await school.create(school.tutor(uuid4()), course_id=course.id, instructor_id="", title="Mine now")
    assert refused.value.field == "course_id"
    assert await school.get_course(course.id) == course


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("course_id", "42"),
        ("instructor_id", "me"),
        ("title", ""),
        ("title", " \t\n\u00a0\u3000"),
        ("title", "x" * 201),
        ("title", "a\x00b"),
        ("price", None),
        ("price", Money(amount_minor=-1, currency="USD")),
        ("price", Money(amount_minor=100_000_000, currency="USD")),
        ("price", Money(amount_minor=1, currency="usx")),
        ("price", Money(amount_minor=49, currency="USD")),
        ("price", Money(amount_minor=4, currency="KWD")),
        ("price", Money(amount_minor=1_000_000, currency="UGX")),
        ("price", Money(amount_minor=5000, currency="IQD")),
        ("price", Money(amount_minor=2**31, currency="IDR")),
        ("seats", -1),
        ("seats", 1_000_001),
    ],
)
async def test_bad_input_names_its_field_and_creates_no_course(
    school: Any, sql: asyncpg.Connection, field: str, value: Any
) -> None:
    before = await sql.fetchval("select count(*) from course")
    with pytest.raises(BadInput) as refused:
        await school.create(**{field: value})
    assert refused.value.field == field
    assert str(refused.value).startswith(f"{field}: ")
    assert await sql.fetchval("select count(*) from course") == before


@pytest.mark.parametrize("rpc", ["PublishCourse", "GetCourse", "VerifyCourse"])
async def test_a_malformed_id_is_bad_input(school: Any, rpc: str) -> None:
    request = getattr(pb, f"{rpc}Request")(course_id="'; drop table course; --")
    with pytest.raises(BadInput) as refused:
        await getattr(school.bff, rpc)(request, timeout=TIMEOUT)
    assert refused.value.field == "course_id"


async def test_its_instructor_an_admin_or_a_service_publishes_a_course_and_a_repeat_changes_nothing(
    school: Any,
) -> None:
    me = uuid4()
    for stub in (school.tutor(me), school.stub("bff", "admin", uuid4()), school.bff, school.ops):
        course = await school.create(instructor_id=str(me))
        published = await school.publish(course.id, stub)
        course.published = True
        assert published == course
        assert await school.publish(course.id, stub) == published


async def test_another_instructors_draft_cannot_be_published_and_is_not_found(school: Any) -> None:
    course = await school.create()
    for stub in (school.tutor(uuid4()), school.student(uuid4())):
        never = await refusal(school.publish(str(uuid4()), stub))
        assert never[0] == "COURSE_NOT_FOUND"
        assert await refusal(school.publish(course.id, stub)) == never
        assert await refusal(school.get_course(course.id, stub)) == never
    assert not (await school.get_course(course.id)).published
    await school.publish(course.id)
    for stub in (school.tutor(uuid4()), school.student(uuid4())):
        assert (await refusal(school.publish(course.id, stub)))[0] == "FORBIDDEN"


async def test_a_draft_is_seen_by_its_instructor_admins_and_services_and_a_published_course_by_everybody(
    school: Any,
) -> None:
    draft, course = await school.create(), await school.course()
    mine = school.tutor(draft.instructor_id)
    for stub in (mine, school.stub("bff", "admin", uuid4()), school.ops, school.payment):
        assert await school.get_course(draft.id, stub) == draft
    for stub in (school.student(uuid4()), school.tutor(uuid4()), school.bff):
        assert await school.get_course(course.id, stub) == course


async def test_a_batch_leaves_out_courses_that_the_caller_may_not_see(school: Any) -> None:
    draft, course = await school.create(), await school.course()
    wanted = pb.BatchGetCoursesRequest(course_ids=[draft.id, course.id, course.id, str(uuid4())])
    stranger = await school.student(uuid4()).BatchGetCourses(wanted, timeout=TIMEOUT)
    assert list(stranger.courses) == [course]
    mine = await school.tutor(draft.instructor_id).BatchGetCourses(wanted, timeout=TIMEOUT)
    assert sorted(each.id for each in mine.courses) == sorted([draft.id, course.id])
    assert list((await school.bff.BatchGetCourses(pb.BatchGetCoursesRequest(), timeout=TIMEOUT)).courses) == []


@pytest.mark.parametrize("ids", [["me"], [str(uuid4()) for _ in range(201)]])
async def test_a_bad_batch_of_courses_names_its_field(school: Any, ids: list[str]) -> None:
    with pytest.raises(BadInput) as refused:
        await school.bff.BatchGetCourses(pb.BatchGetCoursesRequest(course_ids=ids), timeout=TIMEOUT)
    assert refused.value.field == "course_ids"


async def test_pages_of_published_courses_are_newest_first_and_unchanged_by_new_ones(
    school: Any, sql: asyncpg.Connection
) -> None:
    for seats in (0, 1, 2, 3, 4):
        await school.course(seats=seats)
    await school.create()
    expected = [str(row["id"]) for row in await sql.fetch("select id from course where published order by created_at")]
    expected.reverse()
    for stub in (school.student(uuid4()), school.bff):
        assert await list_all_pages(stub) == expected
    page = await list_page(school.bff, 2)
    seen = list(page.courses)
    while page.next_page_token:
        await school.course()
        page = await list_page(school.bff, 2, page.next_page_token)
        seen += page.courses
    assert [course.id for course in seen] == expected


async def test_pages_are_right_when_many_courses_were_created_at_the_same_instant(
    school: Any, sql: asyncpg.Connection
) -> None:
    made = [(await school.course()).id for _ in range(5)]
    move = "update course set created_at = '2030-01-01T00:00Z' where id = any($1::uuid[])"
    await sql.execute(move, made)
    assert (await list_all_pages(school.bff))[:5] == sorted(made, reverse=True)


async def test_a_page_has_twenty_rows_by_default(school: Any, sql: asyncpg.Connection) -> None:
    await sql.execute("""
        insert into course (id, instructor_id, title, price_minor, currency, published)
        select gen_random_uuid(), gen_random_uuid(), 'many', 1, 'USD', true from generate_series(1, 101)
    """)
    assert len((await list_page(school.bff)).courses) == 20
    assert len((await list_page(school.bff, 100)).courses) == 100


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"page_size": -1}, "page_size"),
        ({"page_size": 101}, "page_size"),
        ({"page_token": "2"}, "page_token"),
    ],
)
async def test_a_bad_list_request_names_its_field(school: Any, wanted: dict[str, Any], field: str) -> None:
    for stub in (school.bff, school.ops):
        with pytest.raises(BadInput) as refused:
            await stub.ListCourses(pb.ListCoursesRequest(**wanted), timeout=TIMEOUT)
        assert refused.value.field == field


async def verify(school: Any, course_id: str, *, needs_seat: bool) -> pb.Course:
    request = pb.VerifyCourseRequest(course_id=course_id, needs_seat=needs_seat)
    return (await school.payment.VerifyCourse(request, timeout=TIMEOUT)).course


async def test_verifying_refuses_a_course_that_cannot_be_sold_and_takes_no_seat(school: Any, ledger: Any) -> None:
    draft, course = await school.create(), await school.course(seats=1)
    for needs_seat in (True, False):
        assert (await refusal(verify(school, str(uuid4()), needs_seat=needs_seat)))[0] == "COURSE_NOT_FOUND"
        assert (await refusal(verify(school, draft.id, needs_seat=needs_seat)))[0] == "COURSE_NOT_PUBLISHED"
        assert await verify(school, course.id, needs_seat=needs_seat) == course
    order = await school.hold_new(course.id)
    assert (await refusal(verify(school, course.id, needs_seat=True)))[0] == "COURSE_FULL"
    assert (await verify(school, course.id, needs_seat=False)).seats_taken == 1
    await ledger.lapse(order)
    assert (await verify(school, course.id, needs_seat=True)).seats_taken == 1
    assert (await ledger.row(order))["holds_seat"]


async def test_the_list_of_published_courses_reads_its_index(sql: asyncpg.Connection) -> None:
    plan = await explain(sql, _PUBLISHED, {"at": None, "id": None, "most": 3})
    assert "Scan Backward using course_published" in plan and "Sort" not in plan
