"""What one side means, the other side gets; what nobody means for others stays at home."""

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
def refused_with(started, reached):
    """What a caller gets when the other side raises this."""

    async def ask(error: Exception) -> Exception:
        stub = session_pb2_grpc.SessionServiceStub(reached(await started(sessions(raising(error)))))
        with pytest.raises((Refusal, CallFailed)) as caught:
            await stub.GetSession(GET, timeout=5)
        return caught.value

    return ask


async def test_a_refusal_comes_back_as_its_own_class(refused_with):
    got = await refused_with(KettleEmpty())
    assert type(got) is KettleEmpty
    assert (got.status_code, got.reason, got.message) == (
        StatusCode.ABORTED,
        "KETTLE_EMPTY",
        "There is no tea left.",
    )


async def test_a_refusal_keeps_its_field_and_its_words(refused_with):
    got = await refused_with(BadInput("muß größer sein – 紅茶", field="tea.cups"))
    assert type(got) is BadInput
    assert (got.field, got.message) == ("tea.cups", "tea.cups: muß größer sein – 紅茶")


async def test_the_field_is_named_once_however_many_services_the_refusal_crosses(refused_with):
    got = await refused_with(await refused_with(BadInput("must be given", field="cups")))
    assert got.message == "cups: must be given"


async def test_a_reason_nobody_here_knows_is_still_a_refusal_with_that_reason(refused_with):
    got = await refused_with(Refusal.known("RESOURCE_EXHAUSTED", "FROM_THE_FUTURE", "Not today.", "day"))
    assert isinstance(got, Refusal)
    assert (got.reason, got.status_code, got.message, got.field) == (
        "FROM_THE_FUTURE",
        StatusCode.RESOURCE_EXHAUSTED,
        "Not today.",
        "day",
    )


async def test_a_crash_leaves_as_internal_without_a_word_of_it(refused_with, caplog):
    got = await refused_with(RuntimeError("password of the vault: 1234"))
    assert isinstance(got, CallFailed)
    assert got.status_code is StatusCode.INTERNAL
    assert str(got) == "INTERNAL: internal error"


async def test_a_peers_failure_is_a_wish_to_try_again(refused_with):
    got = await refused_with(CallFailed(StatusCode.UNIMPLEMENTED, "no such method at 10.0.0.7"))
    assert type(got) is TryAgain
    assert "10.0.0.7" not in got.message


async def test_a_refusal_is_an_answer_and_not_asked_for_again_by_the_channel(started, reached):
    asked = []

    async def answer() -> None:
        asked.append(1)
        raise TryAgain

    with pytest.raises(TryAgain):
        await session_pb2_grpc.SessionServiceStub(reached(await started(sessions(answer)))).GetSession(GET, timeout=5)
    assert len(asked) == 1


async def test_a_refusal_in_the_middle_of_a_stream_comes_after_what_was_sent(started, reached):
    stub = booking_pb2_grpc.BookingServiceStub(
        reached(await started(bookings(raising(NotFound("it is gone")))), service="bff")
    )
    stream = messages(stub.WatchBooking(booking_pb2.WatchBookingRequest(booking_id="b"), timeout=5))
    assert (await anext(stream)).booking.id == "b"
    with pytest.raises(NotFound, match="it is gone"):
        await anext(stream)


async def test_a_stream_that_ends_well_just_ends(started, reached):
    stub = booking_pb2_grpc.BookingServiceStub(reached(await started(bookings(nothing)), service="bff"))
    stream = stub.WatchBooking(booking_pb2.WatchBookingRequest(booking_id="b"), timeout=5)
    assert [message.booking.id async for message in messages(stream)] == ["b"]


class Ended(Exception):
    """As grpc.aio raises it: a status and what came with it."""

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
def test_what_is_not_ours_is_a_failed_call(trailing):
    got = errors.from_error(Ended(*trailing))
    assert isinstance(got, CallFailed)
    assert str(got) == "UNAVAILABLE: a proxy says no"


@pytest.mark.parametrize(("code", "definite"), [(StatusCode.UNIMPLEMENTED, True), (StatusCode.UNKNOWN, False)])
def test_only_some_codes_say_that_nothing_happened(code, definite):
    assert CallFailed(code, "").definite is definite
