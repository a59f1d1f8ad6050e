"""The log lines of caller and callee name the booking, saga, payment and intent that a call is about."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh import about, calls
from mesh.about import bind, from_metadata, ids_of, learn, to_metadata
from mesh.errors import NotFound, describe
from mesh.logs import log
from tests.mesh.conftest import bookings, nothing, raising, sessions
from tests.mesh.test_logs import lines
from tutormesh.booking.v1 import booking_pb2, booking_pb2_grpc
from tutormesh.payment.v1 import payment_pb2, saga_pb2
from tutormesh.session.v1 import session_pb2, session_pb2_grpc

__all__ = ["lines"]
BOOKING, SAGA, SESSION = (f"{digit * 8}-1111-4111-8111-111111111111" for digit in "abc")


@pytest.mark.parametrize(
    ("message", "ids"),
    [
        (session_pb2.CancelSessionRequest(session_id=SESSION, saga_id=SAGA), {"session_id": SESSION, "saga_id": SAGA}),
        (
            booking_pb2.GetBookingResponse(booking=booking_pb2.Booking(id=BOOKING, saga_id=SAGA)),
            {"booking_id": BOOKING, "saga_id": SAGA},
        ),
        (
            payment_pb2.BookSessionResponse(payment_intent_id="pi_1", client_secret="pi_1_secret_2"),
            {"intent_id": "pi_1"},
        ),
        (
            saga_pb2.GetSagaResponse(saga=saga_pb2.Saga(id=SAGA, payment_intent_id="pi_1")),
            {"saga_id": SAGA, "intent_id": "pi_1"},
        ),
        (saga_pb2.ListSagasResponse(sagas=[saga_pb2.Saga(id=SAGA)]), {}),
        (booking_pb2.GetBookingResponse(), {}),
        (booking_pb2.BatchGetBookingsRequest(booking_ids=[BOOKING]), {"booking_id": BOOKING}),
        (booking_pb2.BatchGetBookingsRequest(booking_ids=[BOOKING, SESSION]), {}),
    ],
)
def test_a_message_has_the_ids_of_its_fields_and_of_its_thing(message, ids):
    assert ids_of(message) == ids


def test_what_is_bound_goes_before_what_is_learned():
    with calls.background("r"):
        bind({"saga_id": SAGA, "booking_id": None, "password": "x"})
        learn({"saga_id": SESSION, "booking_id": BOOKING})
        assert calls.current().ids == {"saga_id": SAGA, "booking_id": BOOKING}
        with about.about({"saga_id": SESSION}):
            learn({"payment_id": SAGA})
            assert calls.current().ids == {"saga_id": SESSION, "booking_id": BOOKING, "payment_id": SAGA}
        assert calls.current().ids == {"saga_id": SAGA, "booking_id": BOOKING}
        assert from_metadata(to_metadata({})) == calls.current().ids
    assert calls.current().ids == {}


@given(st.text())
def test_metadata_of_a_stranger_is_ids_or_nothing(text):
    for known in (from_metadata(text), from_metadata(f"booking_id={text},saga_id={SAGA}")):
        assert all(value.isascii() and len(value) <= 64 for value in known.values())
        assert set(known) <= about.NAMES


@pytest.mark.parametrize(
    "text", ["booking_id", "a=b", "booking_id=a b", "booking_id=\n", "saga_id=" + "x" * 65, "=" * 600]
)
def test_what_is_no_id_is_left_out(text):
    assert from_metadata(text) == {}


async def test_a_callers_ids_are_in_the_lines_of_the_callee_and_of_what_it_does(lines, start_server, open_channel):
    async def work() -> None:
        log().info("worked")

    server = await start_server(sessions(work))
    written = lines("json")
    with calls.background("r-7"):
        bind({"booking_id": BOOKING, "saga_id": SAGA})
        request = session_pb2.GetSessionRequest(session_id=SESSION)
        await session_pb2_grpc.SessionServiceStub(open_channel(server)).GetSession(request, timeout=5)
    worked, rpc = (json.loads(line) for line in written())
    for line in (worked, rpc):
        assert (line["booking_id"], line["saga_id"], line["session_id"]) == (BOOKING, SAGA, SESSION)
        assert line["request_id"] == "r-7"


async def test_a_line_about_another_thing_says_so_itself(lines):
    written = lines("json")
    with calls.background():
        bind({"saga_id": SAGA})
        log().info("seen", saga_id=SESSION)
    assert json.loads(written()[0])["saga_id"] == SESSION


async def test_the_lines_of_a_stream_have_the_ids_too(lines, start_server, open_channel):
    server = await start_server(bookings(nothing))
    written = lines("json")
    stub = booking_pb2_grpc.BookingServiceStub(open_channel(server, service="bff"))
    async for _ in stub.WatchBooking(booking_pb2.WatchBookingRequest(booking_id=BOOKING), timeout=5):
        pass
    assert [json.loads(line)["booking_id"] for line in written()] == [BOOKING]


async def test_a_caller_whose_call_fails_knows_what_it_was_about(start_server, open_channel):
    server = await start_server(sessions(raising(NotFound())))
    with calls.background(), pytest.raises(NotFound) as refused:
        request = session_pb2.GetSessionRequest(session_id=SESSION)
        try:
            await session_pb2_grpc.SessionServiceStub(open_channel(server)).GetSession(request, timeout=5)
        finally:
            assert calls.current().ids == {"session_id": SESSION}
    described = describe(refused.value)
    assert described["call"] == "tutormesh.session.v1.SessionService/GetSession"
    assert described["peer"] == f"127.0.0.1:{server.port}"
    try:
        raise RuntimeError("on top") from refused.value
    except RuntimeError as above:
        assert describe(above) == {**described, "error": "on top"}
    assert describe(ValueError()) == {"error": "ValueError"}


async def test_a_caller_learns_the_ids_of_the_answer(start_server, open_channel):
    class Answering(session_pb2_grpc.SessionServiceServicer):
        async def GetSession(self, request, context):
            return session_pb2.GetSessionResponse(session=session_pb2.Session(id=SESSION, booking_id=BOOKING))

    service = sessions(nothing)
    server = await start_server(type(service)(service.descriptor, service.add, Answering()))
    with calls.background():
        request = session_pb2.GetSessionRequest(session_id=SESSION)
        await session_pb2_grpc.SessionServiceStub(open_channel(server)).GetSession(request, timeout=5)
        assert calls.current().ids == {"session_id": SESSION, "booking_id": BOOKING}
