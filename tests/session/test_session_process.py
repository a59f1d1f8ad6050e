"""session_svc as the process that really runs."""

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

from mesh.channels import connect
from tutormesh.session.v1 import session_pb2_grpc


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
    environment |= {"PATH": os.environ["PATH"], "PORT": "0", "SESSION_DATABASE_URL": database_url}
    environment["MEETING_LINK_TEMPLATE"] = "https://meet.example.org/r/{room}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "session_svc",
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


async def test_the_process_serves_and_stops_cleanly(
    process: asyncio.subprocess.Process, token: Callable[..., str], session_request: Any
) -> None:
    address = f"127.0.0.1:{await port(process)}"
    async with connect(address, ServiceToken(token("service", service="payment"))) as payment:
        health = await health_pb2_grpc.HealthStub(payment).Check(
            health_pb2.HealthCheckRequest(service="tutormesh.session.v1.SessionService"), timeout=5
        )
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        stub = session_pb2_grpc.SessionServiceStub(payment)
        made = (await stub.CreateConfirmedSession(session_request(), timeout=5)).session
        assert made.meeting_link.startswith("https://meet.example.org/r/")
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        async with asyncio.timeout(5):
            rest = await process.stdout.read()
            assert await process.wait() == 0
    assert b"draining" in rest
    assert b"Traceback" not in rest
    with pytest.raises(grpc.aio.AioRpcError):
        async with grpc.aio.insecure_channel(address) as channel:
            await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=1)


async def test_the_process_completes_a_lesson_whose_time_has_passed(
    process: asyncio.subprocess.Process, mesh: Any, session_request: Any, sql: Any, wait_until: Any
) -> None:
    request = session_request(hours=-2)
    await mesh.create(request)
    await port(process)
    await wait_until(lambda: sql.fetchval("select status from session where id = $1", request.session_id), "COMPLETED")
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(5):
        assert await process.wait() == 0


@pytest.mark.parametrize("minutes", ["-1", "nan", "inf", "soon"])
async def test_a_bad_wait_stops_the_process_and_is_named(
    database_url: str, auth_settings: dict[str, Any], tmp_path: Path, minutes: str
) -> None:
    environment = {name.upper(): value for name, value in auth_settings.items()}
    environment |= {"PATH": os.environ["PATH"], "SESSION_DATABASE_URL": database_url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "session_svc",
        cwd=tmp_path, env=environment | {"COMPLETE_AFTER_MINUTES": minutes}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(20):
        _, said = await process.communicate()
    assert process.returncode == 2
    assert said.startswith(b"COMPLETE_AFTER_MINUTES: ")
