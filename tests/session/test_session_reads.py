"""Reading sessions: each person sees their own, and pages neither repeat nor skip any."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from mesh import clock
from mesh.clock import to_proto
from mesh.errors import BadInput, Forbidden, NotFound
from mesh.wire import EARLIEST
from session_svc.domain import Order
from session_svc.store import _OF_PERSON
from tests.statements import explain
from tutormesh.common.v1 import lists_pb2
from tutormesh.session.v1 import session_pb2 as pb

NOON = to_proto(EARLIEST.replace(hour=12))


async def list_page(
    stub: Any, person: str = "", size: int = 0, token: str = "", **more: Any
) -> pb.ListSessionsResponse:
    wanted = pb.ListSessionsRequest(person_id=person, page_size=size, page_token=token, **more)
    return await stub.ListSessions(wanted, timeout=10)


async def list_all_pages(stub: Any, person: str = "", size: int = 2, **more: Any) -> list[str]:
    page = await list_page(stub, person, size, **more)
    seen = list(page.sessions)
    while page.next_page_token:
        page = await list_page(stub, person, size, page.next_page_token, **more)
        seen += page.sessions
    return [session.id for session in seen]


async def test_a_session_is_seen_by_its_student_its_tutor_admins_and_services(mesh: Any, session_request: Any) -> None:
    request = session_request()
    session = await mesh.create(request)
    mine, taught = mesh.student(request.student_id), mesh.tutor(request.tutor_id)
    for stub in (mine, taught, mesh.stub("bff", "admin"), mesh.bff, mesh.ops, mesh.payment):
        assert await mesh.get(request.session_id, stub) == session


async def test_another_persons_session_is_not_found_like_an_unknown_one(mesh: Any, session_request: Any) -> None:
    request = session_request()
    await mesh.create(request)
    stranger = mesh.student(uuid4())
    answers = []
    for session_id in (request.session_id, str(uuid4())):
        with pytest.raises(NotFound) as refused:
            await mesh.get(session_id, stranger)
        answers.append((refused.value.message, refused.value.field))
    assert answers[0] == answers[1]


async def test_a_malformed_id_is_bad_input(mesh: Any) -> None:
    with pytest.raises(BadInput) as refused:
        await mesh.get("'; drop table session; --")
    assert refused.value.field == "session_id"


async def test_a_person_pages_through_sessions_as_student_and_as_tutor_latest_lesson_first(
    mesh: Any, session_request: Any
) -> None:
    me = str(uuid4())
    hours = {5: "student_id", -3: "tutor_id", 40: "tutor_id", 1: "student_id", -200: "student_id"}
    made = {hour: (await mesh.create(session_request(hours=hour, **{role: me}))).id for hour, role in hours.items()}
    expected = [made[hour] for hour in sorted(made, reverse=True)]
    assert await list_all_pages(mesh.tutor(me), me) == expected
    assert await list_all_pages(mesh.bff, me, size=5) == expected
    assert await list_all_pages(mesh.stub("bff", "admin"), me, size=1) == expected


async def test_a_page_has_twenty_rows_by_default(mesh: Any, session_request: Any) -> None:
    me = str(uuid4())
    await asyncio.gather(*(mesh.create(session_request(tutor_id=me)) for _ in range(21)))
    page = await list_page(mesh.bff, me)
    assert len(page.sessions) == 20
    assert len((await list_page(mesh.bff, me, token=page.next_page_token)).sessions) == 1


async def test_pages_neither_repeat_nor_skip_when_sessions_are_made_and_cancelled_meanwhile(
    mesh: Any, session_request: Any
) -> None:
    me = str(uuid4())
    requests = [session_request(hours=hour, student_id=me) for hour in range(10, 4, -1)]
    for request in requests:
        await mesh.create(request)
    page = await list_page(mesh.bff, me, 2)
    seen = [session.id for session in page.sessions]
    while page.next_page_token:
        await mesh.create(session_request(hours=48, student_id=me))
        await mesh.cancel(requests[-1])
        page = await list_page(mesh.bff, me, 2, page.next_page_token)
        seen += [session.id for session in page.sessions]
    assert seen == [request.session_id for request in requests]


async def test_pages_are_right_when_many_lessons_begin_at_the_same_instant(mesh: Any, session_request: Any) -> None:
    me, first = str(uuid4()), session_request()
    made = [(await mesh.create(session_request(tutor_id=me, scheduled_at=first.scheduled_at))).id for _ in range(5)]
    assert await list_all_pages(mesh.bff, me) == sorted(made, reverse=True)


async def test_a_list_can_be_of_one_status(mesh: Any, session_request: Any) -> None:
    me = str(uuid4())
    requests = {
        status: session_request(hours=-2 - status, tutor_id=me)
        for status in (pb.SESSION_STATUS_CONFIRMED, pb.SESSION_STATUS_COMPLETED, pb.SESSION_STATUS_CANCELLED)
    }
    for request in requests.values():
        await mesh.create(request)
    await mesh.complete(requests[pb.SESSION_STATUS_COMPLETED])
    await mesh.cancel(requests[pb.SESSION_STATUS_CANCELLED])
    for status, request in requests.items():
        assert await list_all_pages(mesh.tutor(me), me, status=status) == [request.session_id]
        assert request.session_id in await list_all_pages(mesh.ops, size=1000, status=status)
    assert await list_all_pages(mesh.tutor(me), me, status=pb.SESSION_STATUS_PENDING_PAYMENT) == []


@pytest.mark.parametrize("order", pb.SessionOrder.values())
async def test_a_list_can_be_of_one_role_and_of_a_time_in_either_order(
    mesh: Any, session_request: Any, order: Any
) -> None:
    me, roles = str(uuid4()), {9: "student_id", 10: "tutor_id", 11: "student_id", 12: "tutor_id"}
    starts = {hours: to_proto(clock.now() + timedelta(hours=hours)) for hours in roles}
    requests = [session_request(scheduled_at=starts[hours], **{role: me}) for hours, role in roles.items()]
    made = dict(zip(roles, [(await mesh.create(request)).id for request in requests], strict=True))

    async def listed(**more: Any) -> list[str]:
        found = await list_all_pages(mesh.tutor(me), me, 1, order=order, **more)
        return found if order == pb.SESSION_ORDER_START_ASC else found[::-1]

    assert await listed() == list(made.values())
    assert await listed(**{"from": starts[10], "to": starts[12]}) == [made[10], made[11]]
    assert await listed(role=lists_pb2.LESSON_ROLE_STUDENT) == [made[9], made[11]]
    assert await listed(role=lists_pb2.LESSON_ROLE_TUTOR, **{"from": starts[11]}) == [made[12]]


async def test_a_cursor_of_another_order_is_refused(mesh: Any, session_request: Any) -> None:
    me = str(uuid4())
    for hours in range(2):
        await mesh.create(session_request(hours, tutor_id=me))
    usual, ascending = pb.SESSION_ORDER_START_DESC, pb.SESSION_ORDER_START_ASC
    for order, others in ((0, (ascending,)), (usual, (ascending,)), (ascending, (0, usual))):
        token = (await list_page(mesh.bff, me, 1, order=order)).next_page_token
        for other in others:
            with pytest.raises(BadInput) as refused:
                await list_page(mesh.bff, me, 1, token, order=other)
            assert refused.value.field == "page_token"


async def test_a_person_lists_only_their_own(mesh: Any) -> None:
    with pytest.raises(Forbidden):
        await list_page(mesh.student(uuid4()), str(uuid4()))


async def test_only_ops_on_its_own_behalf_lists_everybodys_records(mesh: Any, session_request: Any, sql: Any) -> None:
    await mesh.create(session_request())
    await mesh.cancel(session_request())
    for stub in (mesh.bff, mesh.student(uuid4()), mesh.stub("bff", "admin"), mesh.stub("ops", "admin")):
        with pytest.raises(Forbidden):
            await list_page(stub)
    stored = await sql.fetch("select id from session where tutor_id is not null order by id")
    assert await list_all_pages(mesh.ops, size=7) == [str(row["id"]) for row in stored]


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"person_id": "me"}, "person_id"),
        ({"status": 99}, "status"),
        ({"page_size": -1}, "page_size"),
        ({"page_size": 101}, "page_size"),
        ({"page_token": "2"}, "page_token"),
        ({"role": 3}, "role"),
        ({"order": 3}, "order"),
        ({"from": NOON, "to": NOON}, "to"),
        ({"to": Timestamp(seconds=-1)}, "to"),
        ({"person_id": "", "order": pb.SESSION_ORDER_START_ASC}, "person_id"),
        ({"person_id": "", "to": NOON}, "person_id"),
    ],
)
async def test_a_bad_list_request_names_its_field(mesh: Any, wanted: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as refused:
        await mesh.bff.ListSessions(pb.ListSessionsRequest(**({"person_id": str(uuid4())} | wanted)), timeout=10)
    assert refused.value.field == field


async def test_ops_pages_by_id_with_up_to_a_thousand_rows(mesh: Any, session_request: Any) -> None:
    await mesh.create(session_request())
    assert len((await list_page(mesh.ops, size=1000)).sessions) > 0
    for wanted in ({"page_size": 1001}, {"page_token": "2"}):
        with pytest.raises(BadInput):
            await mesh.ops.ListSessions(pb.ListSessionsRequest(**wanted), timeout=10)


@pytest.mark.parametrize(
    ("order", "scan"), [(Order.START_DESC, "Index Scan Backward"), (Order.START_ASC, "Index Scan")]
)
async def test_a_persons_list_reads_only_the_two_indexes_of_that_person(sql: Any, order: Order, scan: str) -> None:
    values = {"person": uuid4(), "at": None, "id": None, "status": None, "most": 3, "begin": None, "end": None}
    values |= {"is_student": True, "is_tutor": True}
    plan = await explain(sql, _OF_PERSON[order], values)
    assert plan.count("Index Cond: ((student_id = ") == plan.count("Index Cond: ((tutor_id = ") == 1
    assert plan.count(f"{scan} using session_of_") == 2
    assert plan.count(" Scan ") == 2
