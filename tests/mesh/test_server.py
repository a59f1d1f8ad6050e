"""A server: health, reflection and the drain at its end."""

from __future__ import annotations

import asyncio
import os
import signal

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from mesh.errors import CallFailed
from mesh.server import NOT_SERVING, SERVING, serve
from tests.mesh.conftest import GET, bookings, nothing, sessions
from tutormesh.session.v1 import session_pb2, session_pb2_grpc

BOOKING, SESSION = "tutormesh.booking.v1.BookingService", "tutormesh.session.v1.SessionService"


@pytest.mark.parametrize("name", ["", BOOKING, SESSION])
async def test_the_health_of_the_server_and_of_each_service_is_served(start_server, plain_channel, name):
    server = await start_server(sessions(nothing), bookings(nothing))
    health = health_pb2_grpc.HealthStub(plain_channel(server))
    request = health_pb2.HealthCheckRequest(service=name)
    assert (await health.Check(request, timeout=5)).status == SERVING
    await server.set_health(False)
    assert (await health.Check(request, timeout=5)).status == NOT_SERVING


async def test_the_health_of_an_unknown_service_is_not_found(start_server, plain_channel):
    health = health_pb2_grpc.HealthStub(plain_channel(await start_server(sessions(nothing))))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health.Check(health_pb2.HealthCheckRequest(service="tea.v1.TeaService"), timeout=5)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_peers_send_nothing_to_a_server_that_says_it_does_not_serve(start_server, open_channel):
    ran = []

    async def note() -> None:
        ran.append(1)

    server = await start_server(sessions(note))
    await server.set_health(False)
    with pytest.raises(CallFailed) as caught:
        await session_pb2_grpc.SessionServiceStub(open_channel(server)).GetSession(GET, timeout=2)
    assert caught.value.status_code is grpc.StatusCode.UNAVAILABLE
    assert ran == []


def _describe_services(port: int) -> tuple[set[str], dict[str, list[str]]]:
    """The services and their methods, as reflection describes them."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        reflected = ProtoReflectionDescriptorDatabase(channel)
        services = set(reflected.get_services())
        file = reflected.FindFileContainingSymbol(SESSION)
        return services, {service.name: [method.name for method in service.method] for service in file.service}


async def test_reflection_lists_and_describes_every_service(start_server):
    server = await start_server(sessions(nothing), bookings(nothing))
    services, described = await asyncio.to_thread(_describe_services, server.port)
    assert {BOOKING, SESSION, "grpc.health.v1.Health"} <= services
    own = session_pb2.DESCRIPTOR.services_by_name["SessionService"]
    assert described == {"SessionService": [method.name for method in own.methods]}


class Serving:
    """`serve` running in a task, with a health watch and a slow call under way."""

    def __init__(self) -> None:
        self.entered, self.release, self.streams_ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def answer(self) -> None:
        self.entered.set()
        await self.release.wait()

    async def end_streams(self) -> None:
        self.streams_ended.set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_after_a_signal_new_calls_are_rejected_and_running_ones_end(
    start_server, plain_channel, open_channel, number
):
    at_work = Serving()
    server = await start_server(sessions(at_work.answer), drain_seconds=20)
    task = asyncio.create_task(serve(server, stopping=at_work.end_streams))
    try:
        watch = health_pb2_grpc.HealthStub(plain_channel(server)).Watch(health_pb2.HealthCheckRequest(), timeout=20)
        assert (await watch.read()).status == SERVING
        call = session_pb2_grpc.SessionServiceStub(open_channel(server)).GetSession(GET, timeout=20)
        await asyncio.wait_for(at_work.entered.wait(), 5)
        os.kill(os.getpid(), number)
        assert (await watch.read()).status == NOT_SERVING
        await asyncio.wait_for(at_work.streams_ended.wait(), 5)
        assert not task.done()
        at_work.release.set()
        assert await call == session_pb2.GetSessionResponse()
        watch.cancel()
        await asyncio.wait_for(task, 5)
    finally:
        task.cancel()
        for handled in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(handled)


async def test_a_call_that_does_not_end_within_the_drain_is_cancelled(start_server, plain_channel, token):
    at_work = Serving()
    server = await start_server(sessions(at_work.answer), drain_seconds=0.1)
    headers = grpc.aio.Metadata(("x-service-token", token("service", service="payment")))
    call = session_pb2_grpc.SessionServiceStub(plain_channel(server)).GetSession(GET, timeout=20, metadata=headers)
    await asyncio.wait_for(at_work.entered.wait(), 5)
    await asyncio.wait_for(server.stop(), 5)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


async def test_a_process_whose_server_ends_by_itself_ends_too(start_server):
    """Whoever supervises it starts it again; a process that listens to nobody would stay."""
    server = await start_server(sessions(nothing))
    task = asyncio.create_task(serve(server))
    await asyncio.sleep(0)  # `serve` has set its handlers
    try:
        await server._server.stop(None)
        with pytest.raises(RuntimeError, match="ended by itself"):
            await asyncio.wait_for(task, 5)
    finally:
        for handled in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(handled)
