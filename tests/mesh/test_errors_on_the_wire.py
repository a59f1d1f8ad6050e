"""A refusal crosses the wire as itself; any other exception crosses without its message."""

from __future__ import annotations

import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

from mesh import errors
from mesh.channels import messages
from mesh.errors import BadInput, CallFailed, NotFound, Refusal, TryAgain
from tests.mesh.conftest import GET, bookings, nothing, raising, sessions
from tutormesh.booking.v1 import booking_pb2, booking_pb2_grpc
from tutormesh.session.v1 import session_pb2_grpc


class KettleEmpty(Refusal):
    """There is no tea left."""

    code = StatusCode.ABORTED
    reason = "KETTLE_EMPTY"


@pytest.fixture
def receive_error(start_server, open_channel):
    """`await receive_error(error)`: the exception that a caller gets when the servicer raises this one."""

    async def ask(error: Exception) -> Exception:
        stub = session_pb2_grpc.SessionServiceStub(open_channel(await start_server(sessions(raising(error)))))
        with pytest.raises((Refusal, CallFailed)) as caught:
            await stub.GetSession(GET, timeout=5)
        return caught.value

    return ask


async def test_a_refusal_comes_back_as_its_own_class(receive_error):
    got = await receive_error(KettleEmpty())
    assert type(got) is KettleEmpty
    assert (got.status_code, got.reason, got.message) == (
        StatusCode.ABORTED,
        "KETTLE_EMPTY",
        "There is no tea left.",
    )


async def test_a_refusal_keeps_its_field_and_its_message(receive_error):
    got = await receive_error(BadInput("muß größer sein – 紅茶", field="tea.cups"))
    assert type(got) is BadInput
    assert (got.field, got.message) == ("tea.cups", "tea.cups: muß größer sein – 紅茶")


async def test_the_field_is_named_once_however_many_services_the_refusal_crosses(receive_error):
    got = await receive_error(await receive_error(BadInput("must be given", field="cups")))
    assert got.message == "cups: must be given"


async def test_a_reason_unknown_to_this_process_is_a_refusal_with_that_reason(receive_error):
    got = await receive_error(Refusal.from_parts("RESOURCE_EXHAUSTED", "FROM_THE_FUTURE", "Not today.", "day"))
    assert isinstance(got, Refusal)
    assert (got.reason, got.status_code, got.message, got.field) == (
        "FROM_THE_FUTURE",
        StatusCode.RESOURCE_EXHAUSTED,
        "Not today.",
        "day",
    )


async def test_an_unexpected_exception_leaves_as_internal_without_its_message(receive_error, caplog):
    got = await receive_error(RuntimeError("password of the vault: 1234"))
    assert isinstance(got, CallFailed)
    assert got.status_code is StatusCode.INTERNAL
    assert str(got) == "INTERNAL: internal error"


async def test_a_peers_failure_becomes_try_again(receive_error):
    got = await receive_error(CallFailed(StatusCode.UNIMPLEMENTED, "no such method at 10.0.0.7"))
    assert type(got) is TryAgain
    assert "10.0.0.7" not in got.message


async def test_the_channel_does_not_retry_a_refusal(start_server, open_channel):
    asked = []

    async def answer() -> None:
        asked.append(1)
        raise TryAgain

    with pytest.raises(TryAgain):
        await session_pb2_grpc.SessionServiceStub(open_channel(await start_server(sessions(answer)))).GetSession(
            GET, timeout=5
        )
    assert len(asked) == 1


async def test_a_refusal_in_the_middle_of_a_stream_comes_after_what_was_sent(start_server, open_channel):
    stub = booking_pb2_grpc.BookingServiceStub(
        open_channel(await start_server(bookings(raising(NotFound("it is gone")))), service="bff")
    )
    stream = messages(stub.WatchBooking(booking_pb2.WatchBookingRequest(booking_id="b"), timeout=5))
    assert (await anext(stream)).booking.id == "b"
    with pytest.raises(NotFound, match="it is gone"):
        await anext(stream)


async def test_a_stream_that_ends_well_raises_nothing(start_server, open_channel):
    stub = booking_pb2_grpc.BookingServiceStub(open_channel(await start_server(bookings(nothing)), service="bff"))
    stream = stub.WatchBooking(booking_pb2.WatchBookingRequest(booking_id="b"), timeout=5)
    assert [message.booking.id async for message in messages(stream)] == ["b"]


class Ended(Exception):
    """An error as grpc.aio raises it: a status with trailing metadata."""

    def __init__(self, *trailing: tuple[str, bytes | str]) -> None:
        self._trailing = trailing

    def code(self) -> StatusCode:
        return StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "a proxy says no"

    def trailing_metadata(self) -> tuple[tuple[str, bytes | str], ...]:
        return self._trailing


def _status(info: error_details_pb2.ErrorInfo) -> bytes:
    packed = any_pb2.Any()
    packed.Pack(info)
    return status_pb2.Status(details=[packed]).SerializeToString()


@pytest.mark.parametrize(
    "trailing",
    [
        (),
        (("server", "nginx"),),
        ((errors.DETAILS_KEY, b"\xff\xff not a message"),),
        ((errors.DETAILS_KEY, "not a message"),),
        ((errors.DETAILS_KEY, _status(error_details_pb2.ErrorInfo(reason="QUOTA", domain="googleapis.com"))),),
        ((errors.DETAILS_KEY, _status(error_details_pb2.ErrorInfo(domain="tutormesh"))),),
    ],
    ids=["nothing", "other metadata", "garbage", "garbage as text", "another domain", "no reason"],
)
def test_an_error_without_details_of_ours_is_a_failed_call(trailing):
    got = errors.from_error(Ended(*trailing))
    assert isinstance(got, CallFailed)
    assert str(got) == "UNAVAILABLE: a proxy says no"


@pytest.mark.parametrize(("code", "definite"), [(StatusCode.UNIMPLEMENTED, True), (StatusCode.UNKNOWN, False)])
def test_only_some_codes_mean_that_nothing_happened(code, definite):
    assert CallFailed(code, "").definite is definite
