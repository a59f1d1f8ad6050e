"""Callers: the protos declare them, and the server refuses every other one before its servicer runs."""

from __future__ import annotations

import uuid

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc import StatusCode

from mesh import calls
from mesh.callers import declared_callers
from mesh.channels import messages
from mesh.errors import CallFailed, Forbidden, Unauthenticated
from mesh.server import Service
from tests.mesh.conftest import GET, bookings, nothing, sessions
from tutormesh.booking.v1 import booking_pb2, booking_pb2_grpc
from tutormesh.session.v1 import session_pb2, session_pb2_grpc


def mute_service() -> descriptor_pb2.ServiceDescriptorProto:
    """The descriptor of a service whose one RPC names no callers."""
    file = descriptor_pb2.FileDescriptorProto(name="mute.proto", package="mute.v1", syntax="proto3")
    file.message_type.add(name="SayRequest")
    file.message_type.add(name="SayResponse")
    service = file.service.add(name="MuteService")
    service.method.add(name="Say", input_type=".mute.v1.SayRequest", output_type=".mute.v1.SayResponse")
    return descriptor_pool.DescriptorPool().AddSerializedFile(file.SerializeToString()).services_by_name["MuteService"]


def test_the_table_of_callers_equals_the_protos_options():
    table = declared_callers(session_pb2.DESCRIPTOR.services_by_name["SessionService"])
    assert table["/tutormesh.session.v1.SessionService/GetSession"] == {"bff", "payment", "ops", "internal"}
    assert table["/tutormesh.session.v1.SessionService/CancelSession"] == {"payment"}


async def test_a_service_with_an_rpc_that_names_no_callers_is_not_served(start_server):
    with pytest.raises(ValueError, match=r"mute\.v1\.MuteService\.Say declares no callers"):
        await start_server(Service(mute_service(), lambda servicer, server: None, object()))


async def test_a_listed_caller_is_served_and_known(start_server, open_channel):
    seen = []

    async def note() -> None:
        seen.append(calls.current())

    stub = session_pb2_grpc.SessionServiceStub(open_channel(await start_server(sessions(note)), service="payment"))
    await stub.GetSession(GET, timeout=5)
    assert [(call.service, call.person) for call in seen] == [("payment", None)]


async def test_an_unlisted_service_is_refused_before_the_servicer_runs(start_server, open_channel):
    ran = []

    async def note() -> None:
        ran.append(1)

    stub = session_pb2_grpc.SessionServiceStub(open_channel(await start_server(sessions(note)), service="availability"))
    with pytest.raises(Forbidden, match="GetSession may not be called by availability"):
        await stub.GetSession(GET, timeout=5)
    assert ran == []


async def test_a_stream_refuses_as_well(start_server, open_channel):
    stub = booking_pb2_grpc.BookingServiceStub(open_channel(await start_server(bookings(nothing)), service="session"))
    with pytest.raises(Forbidden):
        async for _ in messages(stub.WatchBooking(booking_pb2.WatchBookingRequest(), timeout=5)):
            pytest.fail("nothing may be sent")


async def test_a_person_alone_may_not_call_a_service(start_server, open_channel, token):
    channel = open_channel(await start_server(sessions(nothing)), service="", person_token=token("student"))
    with pytest.raises(Forbidden, match="by a person"):
        await session_pb2_grpc.SessionServiceStub(channel).GetSession(GET, timeout=5)


async def test_a_person_comes_along_with_the_service_that_speaks_for_them(start_server, open_channel, token):
    student, stranger, seen = uuid.uuid4(), uuid.uuid4(), []

    async def note() -> None:
        seen.append(calls.current())

    server = await start_server(sessions(note))
    channel = open_channel(server, service="bff", person_token=token("student", subject=student))
    await session_pb2_grpc.SessionServiceStub(channel).GetSession(GET, timeout=5)
    (call,) = seen
    assert (call.service, call.require_person().id) == ("bff", student)
    assert call.speaks_for(student, stranger)
    assert not call.speaks_for(stranger)
    call.must_speak_for(student)
    with pytest.raises(Forbidden):
        call.must_speak_for(stranger)


@pytest.mark.parametrize("role", ["admin", "service"])
async def test_an_admin_and_a_service_speak_for_everybody(role, start_server, open_channel, token):
    seen = []

    async def note() -> None:
        seen.append(calls.current())

    channel = open_channel(await start_server(sessions(note)), service="bff", person_token=token(role))
    await session_pb2_grpc.SessionServiceStub(channel).GetSession(GET, timeout=5)
    assert seen[0].person is not None
    assert seen[0].speaks_for(uuid.uuid4())


def test_work_for_nobody_has_no_person_to_require():
    with pytest.raises(Unauthenticated):
        calls.Call(request_id="x").require_person()


async def _code(channel: grpc.aio.Channel, *headers: tuple[str, str]) -> tuple[StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await session_pb2_grpc.SessionServiceStub(channel).GetSession(
            GET, timeout=5, metadata=grpc.aio.Metadata(*headers)
        )
    return caught.value.code(), caught.value.details()


async def test_a_call_without_any_token_is_refused(start_server, plain_channel):
    server = await start_server(sessions(nothing))
    assert await _code(plain_channel(server)) == (StatusCode.UNAUTHENTICATED, "a token must be given")


async def test_only_bearer_tokens_are_accepted(start_server, plain_channel):
    server = await start_server(sessions(nothing))
    code, words = await _code(plain_channel(server), ("authorization", "Basic dTpw"))
    assert (code, words) == (StatusCode.UNAUTHENTICATED, "authorization must be a Bearer token")


async def test_a_service_token_may_stand_in_authorization(start_server, plain_channel, token):
    seen = []

    async def note() -> None:
        seen.append(calls.current())

    stub = session_pb2_grpc.SessionServiceStub(plain_channel(await start_server(sessions(note))))
    headers = grpc.aio.Metadata(("authorization", f"Bearer {token('service', service='ops')}"))
    await stub.GetSession(GET, timeout=5, metadata=headers)
    assert (seen[0].service, seen[0].person) == ("ops", None)


async def test_a_persons_token_as_service_token_names_no_service(start_server, plain_channel, token):
    server = await start_server(sessions(nothing))
    code, _ = await _code(plain_channel(server), ("x-service-token", token("admin")))
    assert code is StatusCode.UNAUTHENTICATED


async def test_an_rpc_that_does_not_exist_is_unimplemented(start_server, open_channel):
    channel = open_channel(await start_server(sessions(nothing)), service="payment")
    ask = channel.unary_unary("/tutormesh.session.v1.SessionService/Nonsense")
    with pytest.raises(CallFailed) as caught:
        await ask(b"", timeout=5)
    assert caught.value.status_code is StatusCode.UNIMPLEMENTED
