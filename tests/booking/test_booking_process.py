"""booking_svc as the process that really runs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mesh.channels import connect, messages
from mesh.errors import TryAgain
from tutormesh.booking.v1 import booking_pb2 as pb
from tutormesh.booking.v1 import booking_pb2_grpc


class ServiceToken:
    """Credentials of a service."""

    def __init__(self, token: str) -> None:
        self._token = token

    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("x-service-token", self._token),)


@pytest_asyncio.fixture(loop_scope="session")
async def process(
    database_url: str, auth_settings: dict[str, Any], tmp_path: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {name.upper(): value for name, value in auth_settings.items()}
    environment |= {"PATH": os.environ["PATH"], "PORT": "0", "BOOKING_DATABASE_URL": database_url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "booking_svc",
        cwd=tmp_path, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    yield process
    if process.returncode is None:
        process.kill()
        await process.wait()


async def port(process: asyncio.subprocess.Process) -> int:
    """The port in the line "serving" of the process's log."""
    assert process.stdout is not None
    async with asyncio.timeout(20):
        async for line in process.stdout:
            if b'"serving"' in line:
                return int(json.loads(line)["port"])
    raise AssertionError("the process ended before it served")


async def test_the_process_serves_and_stops_cleanly_with_its_watchers(
    process: asyncio.subprocess.Process, token: Callable[..., str], booking_request: Any
) -> None:
    address = f"127.0.0.1:{await port(process)}"
    async with (
        connect(address, ServiceToken(token("service", service="payment"))) as payment,
        connect(address, ServiceToken(token("service", service="bff"))) as bff,
    ):
        health = await health_pb2_grpc.HealthStub(payment).Check(
            health_pb2.HealthCheckRequest(service="tutormesh.booking.v1.BookingService"), timeout=5
        )
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        request = booking_request()
        await booking_pb2_grpc.BookingServiceStub(payment).CreateBooking(request, timeout=5)
        wanted = pb.WatchBookingRequest(booking_id=request.booking_id)
        stream = messages(booking_pb2_grpc.BookingServiceStub(bff).WatchBooking(wanted, timeout=30))
        assert (await anext(stream)).booking.version == 1
        process.send_signal(signal.SIGTERM)
        with pytest.raises(TryAgain):
            await anext(stream)
        assert process.stdout is not None
        async with asyncio.timeout(5):
            rest = await process.stdout.read()
            assert await process.wait() == 0
        assert b"draining" in rest
        assert b"Traceback" not in rest
        with pytest.raises(grpc.aio.AioRpcError):
            async with grpc.aio.insecure_channel(address) as channel:
                await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=1)
