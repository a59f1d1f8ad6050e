"""availability_svc as a process: its settings, and that it serves and stops."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from availability_svc.limits import Terms
from availability_svc.settings import Settings
from tests.availability.conftest import LIMITS

ROOT = Path(__file__).parents[2]


def settings(**changes: Any) -> Settings:
    base = {
        "auth_issuer": "i",
        "auth_audience": "a",
        "auth_jwks_url": "file:///jwks.json",
        "DATABASE_URL": "postgresql+asyncpg://user@host/availability",
    }
    return Settings(_env_file=None, **(base | changes))


def test_settings_have_the_contracts_defaults_and_take_fractions():
    assert settings().terms == Terms(timedelta(minutes=30), timedelta(seconds=20), LIMITS)
    assert settings(hold_minutes=0.05, hold_grace_seconds=0.5).terms.hold == timedelta(seconds=3)


async def start(folder: Path, auth: dict[str, Any], **changes: str) -> asyncio.subprocess.Process:
    """The service as a process, in a folder without a `.env`."""
    environment = {name.upper(): str(value) for name, value in auth.items()} | {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "generated"))),
        "DATABASE_URL": "postgresql+asyncpg://user@127.0.0.1:1/availability",
        "PORT": "0",
    }
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "availability_svc")
    return await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environment | changes, stdout=pipe, stderr=pipe
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOLD_MINUTES", "0"),
        ("HOLD_MINUTES", "nan"),
        ("HOLD_GRACE_SECONDS", "-1"),
        ("MAX_UNPAID_HOLDS", "0"),
        ("AVAILABILITY_DATABASE_URL", "sqlite://"),
    ],
)
async def test_a_bad_setting_stops_the_process_and_is_named(
    name: str, value: str, auth_settings: dict[str, Any], tmp_path: Path
):
    process = await start(tmp_path, auth_settings, **{name: value})
    async with asyncio.timeout(30):
        _, complaint = await process.communicate()
    assert process.returncode == 2
    assert re.fullmatch(rf"{name}: .+\n", complaint.decode())


async def test_the_process_serves_and_stops_cleanly(
    auth_settings: dict[str, Any], tmp_path: Path, make_database: Callable[[str], Awaitable[str]]
):
    process = await start(tmp_path, auth_settings, AVAILABILITY_DATABASE_URL=await make_database("availability_svc"))
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            line = json.loads(await process.stdout.readline())
            assert line["event"] == "serving"
            async with grpc.aio.insecure_channel(f"127.0.0.1:{line['port']}") as channel:
                request = health_pb2.HealthCheckRequest(service="tutormesh.availability.v1.AvailabilityService")
                answer = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=10)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
            process.send_signal(signal.SIGTERM)
            _, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (process.returncode, complaint) == (0, b"")
