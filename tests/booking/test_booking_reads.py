"""Reading bookings: each person sees their own, and pages neither repeat nor skip any."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from booking_svc.domain import Order
from booking_svc.store import _OF_PERSON
from mesh.clock import to_proto
from mesh.errors import BadInput, Forbidden, NotFound
from mesh.wire import EARLIEST
from tests.statements import explain
from tutormesh.booking.v1 import booking_pb2 as pb
from tutormesh.common.v1 import lists_pb2

ENDS = (pb.BOOKING_STATUS_CANCELLED, pb.BOOKING_STATUS_PAYMENT_FAILED, pb.BOOKING_STATUS_EXPIRED)


def hour(of_day: int) -> Timestamp:
    stamp = to_proto(EARLIEST.replace(year=2030, hour=of_day))
    assert stamp is not None
    return stamp


async def list_page(
    stub: Any, person: str = "", size: int = 0, token: str = "", **more: Any
) -> pb.ListBookingsResponse:
    wanted = pb.ListBookingsRequest(person_id=person, page_size=size, page_token=token, **more)
    return await stub.ListBookings(wanted, timeout=10)


async def list_all_pages(stub: Any, person: str = "", size: int = 2, **more: Any) -> list[str]:
    page = await list_page(stub, person, size, **more)
    seen = list(page.bookings)
    while page.next_page_token:
        page = await list_page(stub, person, size, page.next_page_token, **more)
        seen += page.bookings
    return [booking.id for booking in seen]


async def test_a_booking_is_seen_by_its_student_its_tutor_admins_and_services(mesh: Any, booking_request: Any) -> None:
    request = booking_request()
    booking = await mesh.create(request)
    mine, taught = mesh.student(request.student_id), mesh.tutor(request.tutor_id)
    for stub in (mine, taught, mesh.stub("bff", "admin"), mesh.bff, mesh.ops, mesh.payment):
        assert (await mesh.get(request.booking_id, stub)).booking == booking


@pytest.mark.parametrize("end", [None, *ENDS])
async def test_a_hold_has_an_end_only_while_it_is_held(mesh: Any, booking_request: Any, end: int | None) -> None:
    request = booking_request()
    held = await mesh.create(request)
    assert held.hold_expires_at == request.hold_expires_at
    await (mesh.confirm(request) if end is None else mesh.end(request, end))
    [listed] = (await list_page(mesh.bff, request.tutor_id)).bookings
    for read in (listed, (await mesh.get(request.booking_id)).booking):
        assert read.status != held.status and not read.HasField("hold_expires_at")


async def test_another_persons_booking_is_not_found_like_an_unknown_one(mesh: Any, booking_request: Any) -> None:
    request = booking_request()
    await mesh.create(request)
    stranger = mesh.student(uuid4())
    answers = []
    for booking_id in (request.booking_id, str(uuid4())):
        with pytest.raises(NotFound) as refused:
            await mesh.get(booking_id, stranger)
        answers.append((refused.value.message, refused.value.field))
    assert answers[0] == answers[1]


async def test_a_malformed_id_is_bad_input(mesh: Any) -> None:
    with pytest.raises(BadInput) as refused:
        await mesh.get("'; drop table booking; --")
    assert refused.value.field == "booking_id"


async def test_a_person_pages_through_bookings_as_student_and_as_tutor_newest_first(
    mesh: Any, booking_request: Any
) -> None:
    me = str(uuid4())
    made = [
        (await mesh.create(booking_request(**{role: me}))).id
        for role in ("student_id", "tutor_id", "tutor_id", "student_id", "student_id")
    ]
    assert await list_all_pages(mesh.tutor(me), me) == made[::-1]
    assert await list_all_pages(mesh.bff, me, size=5) == made[::-1]
    assert await list_all_pages(mesh.stub("bff", "admin"), me, size=1) == made[::-1]


async def test_a_page_has_twenty_rows_by_default(mesh: Any, booking_request: Any) -> None:
    me = str(uuid4())
    await asyncio.gather(*(mesh.create(booking_request(student_id=me)) for _ in range(21)))
    page = await list_page(mesh.bff, me)
    assert len(page.bookings) == 20
    assert len((await list_page(mesh.bff, me, token=page.next_page_token)).bookings) == 1


async def test_pages_stay_as_they_were_when_bookings_are_made_and_changed_meanwhile(
    mesh: Any, booking_request: Any
) -> None:
    me = str(uuid4())
    requests = [booking_request(student_id=me) for _ in range(6)]
    for request in requests:
        await mesh.create(request)
    expected = [request.booking_id for request in reversed(requests)]
    page = await list_page(mesh.bff, me, 2)
    seen = [booking.id for booking in page.bookings]
    while page.next_page_token:
        await mesh.create(booking_request(student_id=me))
        await mesh.confirm(requests[0])
        page = await list_page(mesh.bff, me, 2, page.next_page_token)
        seen += [booking.id for booking in page.bookings]
    assert seen == expected


async def test_pages_are_right_when_many_bookings_were_created_at_the_same_instant(
    mesh: Any, booking_request: Any, sql: Any
) -> None:
    me = str(uuid4())
    made = [(await mesh.create(booking_request(tutor_id=me))).id for _ in range(5)]
    await sql.execute("alter table booking disable trigger booking_legal_move")
    try:
        await sql.execute("update booking set created_at = '2030-01-01T00:00Z' where tutor_id = $1", me)
    finally:
        await sql.execute("alter table booking enable trigger booking_legal_move")
    assert await list_all_pages(mesh.bff, me) == sorted(made, reverse=True)


@pytest.fixture
def lessons(mesh: Any, booking_request: Any) -> Any:
    """`await lessons(me, {9: "tutor_id"})`: a booking for each hour, made in this order; their ids by hour."""

    async def make(me: str, roles: dict[int, str]) -> dict[int, str]:
        starts = {at: {"start_time": hour(at), "end_time": hour(at + 1)} for at in roles}
        made = [await mesh.create(booking_request(**starts[at], **{role: me})) for at, role in roles.items()]
        return dict(zip(roles, (booking.id for booking in made), strict=True))

    return make


@pytest.mark.parametrize("size", [1, 2, 5])
async def test_a_person_pages_through_lessons_by_their_start(mesh: Any, lessons: Any, size: int) -> None:
    me = str(uuid4())
    made = await lessons(me, {12: "student_id", 9: "tutor_id", 15: "tutor_id", 10: "student_id"})
    by_start = [made[at] for at in sorted(made)]
    assert await list_all_pages(mesh.tutor(me), me, size, order=pb.BOOKING_ORDER_START_ASC) == by_start
    assert await list_all_pages(mesh.tutor(me), me, size, order=pb.BOOKING_ORDER_START_DESC) == by_start[::-1]
    newest_first = list(made.values())[::-1]
    assert await list_all_pages(mesh.tutor(me), me, size, order=pb.BOOKING_ORDER_CREATED_DESC) == newest_first


@pytest.mark.parametrize("order", pb.BookingOrder.values())
async def test_from_and_to_bound_a_lessons_start(mesh: Any, lessons: Any, order: Any) -> None:
    me = str(uuid4())
    made = await lessons(me, dict.fromkeys(range(9, 13), "tutor_id"))
    within = {"from": hour(10), "to": hour(12)}
    assert set(await list_all_pages(mesh.bff, me, 1, order=order, **within)) == {made[10], made[11]}
    assert set(await list_all_pages(mesh.bff, me, order=order, to=hour(10))) == {made[9]}
    assert set(await list_all_pages(mesh.bff, me, order=order, **{"from": hour(12)})) == {made[12]}


@pytest.mark.parametrize("order", pb.BookingOrder.values())
async def test_a_list_can_be_of_one_role_and_one_status(mesh: Any, lessons: Any, order: Any) -> None:
    me = str(uuid4())
    made = await lessons(me, {9: "student_id", 10: "tutor_id", 11: "student_id"})
    role = lists_pb2.LESSON_ROLE_STUDENT
    assert set(await list_all_pages(mesh.bff, me, 1, order=order, role=role)) == {made[9], made[11]}
    role = lists_pb2.LESSON_ROLE_TUTOR
    assert await list_all_pages(mesh.bff, me, 1, order=order, role=role) == [made[10]]
    confirmed = {"status": pb.BOOKING_STATUS_CONFIRMED, "role": role}
    assert await list_all_pages(mesh.bff, me, 1, order=order, **confirmed) == []


@pytest.mark.parametrize("order", pb.BookingOrder.values())
async def test_a_cursor_of_another_order_is_refused(mesh: Any, lessons: Any, order: Any) -> None:
    me = str(uuid4())
    await lessons(me, dict.fromkeys(range(9, 12), "tutor_id"))
    token = (await list_page(mesh.bff, me, 1, order=order)).next_page_token
    usual = {pb.BOOKING_ORDER_UNSPECIFIED, pb.BOOKING_ORDER_CREATED_DESC}
    for other in set(pb.BookingOrder.values()) - (usual if order in usual else {order}):
        with pytest.raises(BadInput) as refused:
            await list_page(mesh.bff, me, 1, token, order=other)
        assert refused.value.field == "page_token"


async def test_a_person_lists_only_their_own(mesh: Any) -> None:
    with pytest.raises(Forbidden):
        await list_page(mesh.student(uuid4()), str(uuid4()))


async def test_only_ops_on_its_own_behalf_lists_everybodys_records(mesh: Any, booking_request: Any, sql: Any) -> None:
    await mesh.create(booking_request())
    await mesh.end(booking_request())
    for stub in (mesh.bff, mesh.student(uuid4()), mesh.stub("bff", "admin"), mesh.stub("ops", "admin")):
        with pytest.raises(Forbidden):
            await list_page(stub)
    stored = await sql.fetch("select id from booking where tutor_id is not null order by id")
    assert await list_all_pages(mesh.ops) == [str(row["id"]) for row in stored]


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"person_id": "me"}, "person_id"),
        ({"page_size": -1}, "page_size"),
        ({"page_size": 101}, "page_size"),
        ({"page_token": "2"}, "page_token"),
        ({"page_token": "MjAzMC0wMS0wMXw0Mg"}, "page_token"),
        ({"role": 3}, "role"),
        ({"order": 4}, "order"),
        ({"from": hour(9), "to": hour(9)}, "to"),
        ({"from": Timestamp(seconds=-1)}, "from"),
        ({"person_id": "", "role": lists_pb2.LESSON_ROLE_TUTOR}, "person_id"),
        ({"person_id": "", "from": hour(9)}, "person_id"),
    ],
)
async def test_a_bad_list_request_names_its_field(mesh: Any, wanted: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as refused:
        await mesh.bff.ListBookings(pb.ListBookingsRequest(**({"person_id": str(uuid4())} | wanted)), timeout=10)
    assert refused.value.field == field


async def test_ops_pages_by_id_with_up_to_a_thousand_rows(mesh: Any) -> None:
    assert len((await list_page(mesh.ops, size=1000)).bookings) > 0
    for wanted in ({"page_size": 1001}, {"page_token": "2"}):
        with pytest.raises(BadInput):
            await mesh.ops.ListBookings(pb.ListBookingsRequest(**wanted), timeout=10)


@pytest.mark.parametrize(
    ("order", "scan", "index"),
    [
        (Order.CREATED_DESC, "Index Scan Backward", ""),
        (Order.START_ASC, "Index Scan", "_by_start"),
        (Order.START_DESC, "Index Scan Backward", "_by_start"),
    ],
)
async def test_a_persons_list_reads_only_the_two_indexes_of_that_person(
    sql: Any, order: Order, scan: str, index: str
) -> None:
    values = {"person": uuid4(), "at": None, "id": None, "status": None, "most": 3, "begin": None, "end": None}
    plan = await explain(sql, _OF_PERSON[order], values | {"is_student": True, "is_tutor": True})
    assert plan.count("Index Cond: ((student_id = ") == plan.count("Index Cond: ((tutor_id = ") == 1
    assert len(re.findall(rf"{scan} using booking_of_(student|tutor){index} on", plan)) == 2
    assert plan.count(" Scan ") == 2
