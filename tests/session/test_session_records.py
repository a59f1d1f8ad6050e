"""Creating, cancelling and completing, over gRPC and PostgreSQL: repeats, tombstones, illegal moves, bad input."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from mesh.errors import BadInput, Cancelled, Forbidden, IllegalMove, NotFound
from session_svc.convert import Encoder
from session_svc.domain import Lesson, Session, Status
from tutormesh.session.v1 import session_pb2 as pb

CONFIRMED, COMPLETED = pb.SESSION_STATUS_CONFIRMED, pb.SESSION_STATUS_COMPLETED
CANCELLED = pb.SESSION_STATUS_CANCELLED


async def rows(sql: asyncpg.Connection, request: pb.CreateConfirmedSessionRequest) -> list[asyncpg.Record]:
    return await sql.fetch(
        "select * from session where id = $1 or saga_id = $2 or booking_id = $3",
        request.session_id,
        request.saga_id,
        request.booking_id,
    )


async def test_a_session_is_read_as_it_was_created(mesh: Any, session_request: Any) -> None:
    request = session_request()
    session = await mesh.create(request)
    for field in request.DESCRIPTOR.fields:
        name = "id" if field.name == "session_id" else field.name
        assert getattr(session, name) == getattr(request, field.name), name
    assert session.status == CONFIRMED
    assert await mesh.get(request.session_id) == session


async def test_repeating_a_create_returns_the_first_session_with_the_first_room(
    mesh: Any, session_request: Any
) -> None:
    request = session_request()
    first = await mesh.create(request)
    request.duration_minutes = 90
    assert await mesh.create(request) == first


async def test_every_session_has_a_random_room(mesh: Any, session_request: Any) -> None:
    links = {(await mesh.create(session_request())).meeting_link for _ in range(5)}
    assert len(links) == 5
    assert all(link.startswith("https://meet.example.org/") and len(link) == 25 + 24 for link in links)


async def test_a_cancelled_session_has_no_meeting_link(mesh: Any, session_request: Any) -> None:
    request = session_request()
    await mesh.create(request)
    await mesh.cancel(request)
    assert (await mesh.get(request.session_id)).meeting_link == ""


def test_without_a_template_a_session_has_no_meeting_link() -> None:
    lesson = Lesson(uuid4(), uuid4(), uuid4(), datetime(2030, 1, 1, tzinfo=UTC), 60)
    session = Session(uuid4(), uuid4(), Status.CONFIRMED, lesson, "room")
    assert Encoder(None).session(session).meeting_link == ""
    assert Encoder("https://x/{room}").session(session).meeting_link == "https://x/room"


async def test_repeating_a_cancel_changes_nothing(mesh: Any, session_request: Any, sql: Any) -> None:
    request = session_request()
    await mesh.create(request)
    await mesh.cancel(request)
    before = await rows(sql, request)
    await mesh.cancel(request)
    assert await rows(sql, request) == before
    assert before[0]["status"] == "CANCELLED"


async def test_a_create_after_the_cancel_is_refused(mesh: Any, session_request: Any) -> None:
    request = session_request()
    await mesh.create(request)
    await mesh.cancel(request)
    with pytest.raises(Cancelled):
        await mesh.create(request)


async def test_35_cancelling_what_never_was_bars_its_late_creation(mesh: Any, session_request: Any, sql: Any) -> None:
    request = session_request()
    await mesh.cancel(request)
    await mesh.cancel(request)
    with pytest.raises(Cancelled):
        await mesh.create(request)
    (row,) = await rows(sql, request)
    assert (row["status"], row["tutor_id"], row["room"]) == ("CANCELLED", None, None)


async def test_no_read_shows_a_tombstone(mesh: Any, session_request: Any) -> None:
    request = session_request()
    await mesh.cancel(request)
    with pytest.raises(NotFound):
        await mesh.get(request.session_id)
    with pytest.raises(NotFound):
        await mesh.complete(request)
    everybodys = await mesh.ops.ListSessions(pb.ListSessionsRequest(page_size=1000), timeout=10)
    assert request.session_id not in [session.id for session in everybodys.sessions]


async def test_a_lesson_that_is_over_can_be_completed_once_and_again(mesh: Any, session_request: Any, sql: Any) -> None:
    request = session_request(hours=-1.001)
    await mesh.create(request)
    completed = await mesh.complete(request)
    before = await rows(sql, request)
    assert completed.status == COMPLETED
    assert await mesh.complete(request) == completed
    assert await mesh.create(request) == completed
    assert await rows(sql, request) == before


@pytest.mark.parametrize("hours", [24, -0.9])
async def test_a_lesson_that_is_not_over_cannot_be_completed(mesh: Any, session_request: Any, hours: float) -> None:
    request = session_request(hours=hours)
    await mesh.create(request)
    with pytest.raises(IllegalMove, match="the lesson is not over yet"):
        await mesh.complete(request, mesh.tutor(request.tutor_id))
    assert (await mesh.get(request.session_id)).status == CONFIRMED


async def test_a_completed_session_cannot_be_cancelled(mesh: Any, session_request: Any) -> None:
    request = session_request(hours=-2)
    await mesh.create(request)
    await mesh.complete(request)
    with pytest.raises(IllegalMove, match="cannot go from COMPLETED to CANCELLED"):
        await mesh.cancel(request)


async def test_a_cancelled_session_cannot_be_completed(mesh: Any, session_request: Any) -> None:
    request = session_request(hours=-2)
    await mesh.create(request)
    await mesh.cancel(request)
    with pytest.raises(IllegalMove, match="cannot go from CANCELLED to COMPLETED"):
        await mesh.complete(request)


async def test_its_tutor_an_admin_or_a_service_completes_a_lesson(mesh: Any, session_request: Any) -> None:
    for caller in (mesh.tutor, lambda _: mesh.stub("bff", "admin"), lambda _: mesh.bff):
        request = session_request(hours=-2)
        await mesh.create(request)
        assert (await mesh.complete(request, caller(request.tutor_id))).status == COMPLETED


@pytest.mark.parametrize("hours", [-2, 2])
async def test_its_student_may_not_complete_it(mesh: Any, session_request: Any, hours: float) -> None:
    request = session_request(hours=hours)
    await mesh.create(request)
    with pytest.raises(Forbidden):
        await mesh.complete(request, mesh.student(request.student_id))
    assert (await mesh.get(request.session_id)).status == CONFIRMED


async def test_another_persons_session_cannot_be_completed_and_is_not_found(mesh: Any, session_request: Any) -> None:
    request = session_request(hours=-2)
    await mesh.create(request)
    stranger, answers = mesh.tutor(uuid4()), []
    for asked in (request, session_request()):
        with pytest.raises(NotFound) as refused:
            await mesh.complete(asked, stranger)
        answers.append((refused.value.message, refused.value.field))
    assert answers[0] == answers[1]
    assert (await mesh.get(request.session_id)).status == CONFIRMED


async def test_a_saga_changes_only_its_own_session(mesh: Any, session_request: Any, sql: Any) -> None:
    mine, theirs = session_request(), session_request()
    await mesh.create(mine)
    await mesh.create(theirs)
    for strange, field in (
        ({"session_id": mine.session_id, "saga_id": theirs.saga_id}, "saga_id"),
        ({"session_id": mine.session_id}, "saga_id"),
        ({"saga_id": mine.saga_id}, "saga_id"),
        ({"booking_id": mine.booking_id}, "booking_id"),
    ):
        request = session_request(**strange)
        with pytest.raises(BadInput) as refused:
            await mesh.create(request)
        assert refused.value.field == field
        if field == "saga_id":
            with pytest.raises(BadInput) as refused:
                await mesh.cancel(request)
            assert refused.value.field == field
    for request in (mine, theirs):
        assert [row["status"] for row in await rows(sql, request)] == ["CONFIRMED"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("session_id", "42"),
        ("saga_id", ""),
        ("booking_id", ""),
        ("tutor_id", "{5c7a2d4e-0b1f-4c3a-9d8e-1f2a3b4c5d6e}"),
        ("student_id", "x" * 36),
        ("scheduled_at", None),
        ("scheduled_at", Timestamp(seconds=253402300800)),
        ("duration_minutes", 0),
        ("duration_minutes", 1441),
        ("duration_minutes", -60),
    ],
)
async def test_bad_input_names_its_field_and_stores_nothing(
    mesh: Any, session_request: Any, sql: Any, field: str, value: Any
) -> None:
    before = await sql.fetchval("select count(*) from session")
    with pytest.raises(BadInput) as refused:
        await mesh.create(session_request(**{field: value}))
    assert refused.value.field == field
    assert await sql.fetchval("select count(*) from session") == before


async def test_a_tutor_cannot_teach_themselves(mesh: Any, session_request: Any) -> None:
    me = str(uuid4())
    with pytest.raises(BadInput) as refused:
        await mesh.create(session_request(tutor_id=me, student_id=me))
    assert refused.value.field == "student_id"


async def test_only_payment_creates(mesh: Any, session_request: Any) -> None:
    with pytest.raises(Forbidden):
        await mesh.bff.CreateConfirmedSession(session_request(), timeout=10)
