"""A server at its limit rejects calls with a typed refusal and a retry hint; running calls and health checks go on."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from mesh.channels import messages
from mesh.errors import Overloaded
from mesh.server import SERVING
from payment_svc.peers import call_peer
from tests.limits.gated import GET, WATCH
from tutormesh.booking.v1 import booking_pb2


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


async def test_overloaded_is_resource_exhausted_with_retry_info_on_the_wire(start_limited, reach, token):
    servicer, address = await start_limited(max_calls=0)
    own = grpc.aio.Metadata(("x-service-token", token("service", service="bff")))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await reach(address, plain=True).GetBooking(GET, timeout=5, metadata=own)
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
    """Beyond all limits and the spare RPCs gRPC rejects a call unread; without details of ours it means the same."""
    servicer, address = await start_limited(max_calls=1, max_streams=0, max_public=1, spare_rpcs=0)
    stub = reach(address)
    busy = asyncio.ensure_future(stub.GetBooking(GET, timeout=10))
    await servicer.until_inside(1)
    with pytest.raises(Overloaded):
        await stub.GetBooking(GET, timeout=5)
    servicer.go.set()
    await busy
