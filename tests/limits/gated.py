"""A server with limits that a test sets, whose calls stay inside until the test lets them go."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest_asyncio

from mesh.channels import connect
from mesh.identity import Verifier
from mesh.server import Server, Service
from mesh.settings import ServiceSettings
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
