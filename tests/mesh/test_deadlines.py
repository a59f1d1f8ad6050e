"""Deadlines cross services: no server works longer than the first caller waits. So do request ids and people."""

from __future__ import annotations

import asyncio

import pytest
from grpc import StatusCode

from mesh import calls
from mesh.calls import Call
from mesh.channels import messages
from mesh.errors import CallFailed, TryAgain
from tests.mesh.conftest import GET, bookings, nothing, run_within, sessions
from tutormesh.booking.v1 import booking_pb2, booking_pb2_grpc
from tutormesh.session.v1 import session_pb2_grpc


@pytest.fixture
def chain(start_server, open_channel):
    """`await chain(answer)`: a stub of a first server, which calls a second one that answers so."""

    async def build(answer):
        second = session_pb2_grpc.SessionServiceStub(open_channel(await start_server(sessions(answer))))

        async def ask_the_second() -> None:
            await second.GetSession(GET, timeout=30)

        return session_pb2_grpc.SessionServiceStub(open_channel(await start_server(sessions(ask_the_second))))

    return build


async def test_the_second_server_sees_no_more_time_than_the_first_had(chain):
    seen = []

    async def note() -> None:
        seen.append(calls.remaining())

    await (await chain(note)).GetSession(GET, timeout=3)
    assert len(seen) == 1
    assert 0 < seen[0] <= 3


async def test_when_the_first_caller_stops_waiting_the_last_server_stops_working(chain):
    stopped, never = asyncio.Event(), asyncio.Event()

    async def work_on() -> None:
        try:
            await never.wait()
        finally:
            stopped.set()

    with pytest.raises((CallFailed, TryAgain)) as caught:
        await (await chain(work_on)).GetSession(GET, timeout=0.3)
    assert caught.value.status_code in (StatusCode.DEADLINE_EXCEEDED, StatusCode.UNAVAILABLE)
    await asyncio.wait_for(stopped.wait(), 5)


async def test_the_request_id_is_the_same_all_the_way(chain):
    seen = []

    async def note() -> None:
        seen.append(calls.current().request_id)

    first = await chain(note)
    await run_within(Call(request_id="r-42"), lambda: first.GetSession(GET, timeout=5))
    assert seen == ["r-42"]


async def test_a_call_from_outside_any_call_gets_a_new_request_id(chain):
    seen = []

    async def note() -> None:
        seen.append(calls.current().request_id)

    first = await chain(note)
    await run_within(Call(request_id=calls.NO_CALL), lambda: first.GetSession(GET, timeout=5))
    assert len(seen[0]) == 16


async def test_the_person_is_the_same_all_the_way(start_server, open_channel, token):
    seen, student = [], token("student")

    async def note() -> None:
        seen.append(calls.current().require_person().token)

    second = session_pb2_grpc.SessionServiceStub(open_channel(await start_server(sessions(note)), service="bff"))

    async def ask_the_second() -> None:
        await second.GetSession(GET, timeout=5)

    server = await start_server(sessions(ask_the_second))
    await session_pb2_grpc.SessionServiceStub(open_channel(server, "bff", student)).GetSession(GET, timeout=5)
    assert seen == [student]


async def test_a_call_without_a_timeout_is_not_made(start_server, open_channel):
    channel = open_channel(await start_server(sessions(nothing), bookings(nothing)), service="bff")
    with pytest.raises(ValueError, match=r"GetSession.*without timeout="):
        await session_pb2_grpc.SessionServiceStub(channel).GetSession(GET)
    with pytest.raises(ValueError, match=r"WatchBooking.*without timeout="):
        stream = booking_pb2_grpc.BookingServiceStub(channel).WatchBooking(booking_pb2.WatchBookingRequest())
        await messages(stream).__anext__()


async def test_without_time_left_nothing_is_sent(start_server, open_channel):
    ran = []

    async def note() -> None:
        ran.append(1)

    stub = session_pb2_grpc.SessionServiceStub(open_channel(await start_server(sessions(note))))
    late = Call(request_id="late", deadline=asyncio.get_running_loop().time() - 1)
    with pytest.raises(TryAgain, match="the deadline has passed"):
        await run_within(late, lambda: stub.GetSession(GET, timeout=5))
    assert ran == []


async def test_a_deadline_within_a_deadline_only_shortens():
    with calls.background("b"), calls.deadline(1):
        with calls.deadline(100):
            assert calls.remaining() <= 1
        with calls.deadline(0.5):
            assert calls.remaining() <= 0.5
        assert calls.remaining() > 0.5


async def test_background_work_has_no_caller_no_deadline_and_a_request_id_of_its_own():
    with calls.deadline(1), calls.background():
        call = calls.current()
        assert (calls.remaining(), call.person, call.service) == (None, None, "")
        assert len(call.request_id) == 16


async def test_outside_any_call_there_is_an_anonymous_one():
    async def ask() -> Call:
        return calls.current()

    import contextvars

    call = await asyncio.create_task(ask(), context=contextvars.Context())
    assert (call.request_id, call.deadline) == ("-", None)
