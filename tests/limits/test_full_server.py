"""A server at its limit rejects calls with a typed refusal and a retry hint; running calls and health checks go on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from mesh.channels import connect, messages
from mesh.errors import Overloaded
from mesh.identity import Verifier
from mesh.server import SERVING, Server, Service
from mesh.settings import ServiceSettings
from payment_svc.peers import call_peer
from tests.conftest import FixedToken
from tutormesh.booking.v1 import booking_pb2, booking_pb2_grpc

GET, WATCH = booking_pb2.GetBookingRequest(booking_id="b"), booking_pb2.WatchBookingRequest(booking_id="b")


class Gated(booking_pb2_grpc.BookingServiceServicer):
    """Answers once `go` is set."""

    def __init__(self) -> None:
        self.inside, self.go = 0, asyncio.Event()

    async def GetBooking(self, request: Any, context: Any) -> booking_pb2.GetBookingResponse:
        self.inside += 1
        await self.go.wait()
        return booking_pb2.GetBookingResponse()

    async def WatchBooking(self, request: Any, context: Any) -> AsyncIterator[booking_pb2.WatchBookingResponse]:
        yield booking_pb2.WatchBookingResponse()
        await self.go.wait()

    async def until_inside(self, number: int) -> None:
        async with asyncio.timeout(5):
            while self.inside < number:  # noqa: ASYNC110 - a counter, polled within a deadline
                await asyncio.sleep(0.005)


@pytest_asyncio.fixture
async def start_limited(
    auth_settings: dict[str, Any], verifier: Verifier, token: Callable[..., str]
) -> AsyncIterator[Callable[..., Any]]:
    """`await start_limited(max_calls=…)`: a server with these limits, its servicer, and the address to call."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(**limits: int) -> tuple[Gated, str]:
            servicer = Gated()
            service = Service(
                booking_pb2.DESCRIPTOR.services_by_name["BookingService"],
                booking_pb2_grpc.add_BookingServiceServicer_to_server,
                servicer,
            )
            settings = ServiceSettings(_env_file=None, port=0, drain_seconds=1, **auth_settings)
            server = Server(settings, verifier, [service], **limits)
            await server.start()
            stack.push_async_callback(server.stop)
            stack.callback(servicer.go.set)
            return servicer, f"127.0.0.1:{server.port}"

        yield start


@pytest_asyncio.fixture
async def reach(token: Callable[..., str]) -> AsyncIterator[Callable[..., Any]]:
    """`reach(address)`: a stub over the chassis' channel; `reach(address, plain=True)`: over a plain one."""
    async with contextlib.AsyncExitStack() as stack:

        def create(address: str, *, plain: bool = False) -> Any:
            own = FixedToken("bff", token("service", service="bff"))
            channel = grpc.aio.insecure_channel(address) if plain else connect(address, own)
            stack.push_async_callback(channel.close)
            return booking_pb2_grpc.BookingServiceStub(channel)

        yield create


async def test_a_server_at_its_limit_of_calls_answers_overloaded_with_a_hint_and_later_accepts_more(
    start_limited, reach
):
    servicer, address = await start_limited(max_calls=2)
    stub = reach(address)
    inside = [asyncio.ensure_future(stub.GetBooking(GET, timeout=10)) for _ in range(2)]
    await servicer.until_inside(2)
    with pytest.raises(Overloaded) as refused:
        await stub.GetBooking(GET, timeout=5)
    assert refused.value.retry_after == Overloaded.retry_after > 0
    servicer.go.set()
    await asyncio.gather(*inside)
    assert await stub.GetBooking(GET, timeout=5) == booking_pb2.GetBookingResponse()


async def test_overloaded_is_resource_exhausted_with_retry_info_on_the_wire(start_limited, reach):
    servicer, address = await start_limited(max_calls=0)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await reach(address, plain=True).GetBooking(GET, timeout=5)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    status = rpc_status.from_call(refused.value)
    retry = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(retry) for detail in status.details)
    assert retry.retry_delay.ToMilliseconds() == 1000
    assert servicer.inside == 0


async def test_a_step_of_a_saga_is_tried_again_until_the_server_accepts_it(start_limited, reach):
    servicer, address = await start_limited(max_calls=1)
    stub, refusals = reach(address), 0
    first = asyncio.ensure_future(stub.GetBooking(GET, timeout=10))
    await servicer.until_inside(1)

    async def call() -> booking_pb2.GetBookingResponse:
        nonlocal refusals
        try:
            return await stub.GetBooking(GET, timeout=5)
        except Overloaded:
            refusals += 1
            servicer.go.set()
            await first
            raise

    assert await call_peer(call) == booking_pb2.GetBookingResponse()
    assert refusals == 1


async def test_watchers_do_not_count_towards_the_limit_of_calls(start_limited, reach):
    servicer, address = await start_limited(max_calls=1, max_streams=1)
    stub = reach(address)
    watch = messages(stub.WatchBooking(WATCH, timeout=10))
    await anext(watch)
    with pytest.raises(Overloaded):
        await anext(messages(stub.WatchBooking(WATCH, timeout=5)))
    servicer.go.set()
    assert await stub.GetBooking(GET, timeout=5) == booking_pb2.GetBookingResponse()


async def test_a_full_server_is_still_healthy(start_limited, reach):
    servicer, address = await start_limited(max_calls=1, max_streams=0)
    busy = asyncio.ensure_future(reach(address).GetBooking(GET, timeout=10))
    await servicer.until_inside(1)
    async with grpc.aio.insecure_channel(address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        assert (await health.Check(health_pb2.HealthCheckRequest(), timeout=5)).status == SERVING
    servicer.go.set()
    await busy


async def test_a_call_that_grpc_itself_rejects_is_overloaded_too(start_limited, reach):
    """Beyond calls, streams and the spare RPCs gRPC rejects a call unread; without details of ours it means the same."""
    servicer, address = await start_limited(
        max_calls=2, max_streams=0, spare_rpcs=0
    )  # one of them goes to the channel's health
    stub = reach(address)
    busy = asyncio.ensure_future(stub.GetBooking(GET, timeout=10))
    await servicer.until_inside(1)
    with pytest.raises(Overloaded):
        await stub.GetBooking(GET, timeout=5)
    servicer.go.set()
    await busy
