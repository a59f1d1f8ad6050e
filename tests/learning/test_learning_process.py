"""learning_svc as a process, and its settings."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pydantic import ValidationError

from learning_svc.domain import Terms
from learning_svc.servicer import LearningServicer
from learning_svc.settings import Settings
from mesh.channels import connect
from tests.conftest import FixedToken
from tests.learning.conftest import LIMITS
from tutormesh.learning.v1 import learning_pb2 as pb
from tutormesh.learning.v1 import learning_pb2_grpc


@pytest_asyncio.fixture(loop_scope="session")
async def process(
    database_url: str, auth_settings: dict[str, Any], tmp_path: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {name.upper(): value for name, value in auth_settings.items()}
    environment |= {"PATH": os.environ["PATH"], "PORT": "0", "LEARNING_DATABASE_URL": database_url}
    environment["HOLD_MINUTES"] = "0.05"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "learning_svc",
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


async def test_the_process_holds_seats_for_the_configured_time_and_stops_cleanly(
    process: asyncio.subprocess.Process, token: Callable[..., str], school: Any
) -> None:
    course = await school.course()
    address = f"127.0.0.1:{await port(process)}"
    async with connect(address, FixedToken("payment", token("service", service="payment"))) as payment:
        wanted = health_pb2.HealthCheckRequest(service="tutormesh.learning.v1.LearningService")
        health = await health_pb2_grpc.HealthStub(payment).Check(wanted, timeout=5)
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        stub = learning_pb2_grpc.LearningServiceStub(payment)
        held = await stub.HoldSeat(school.order(course.id), timeout=5)
        assert 0 < held.seconds_left <= 3
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


def load_settings(auth_settings: dict[str, Any], **changed: Any) -> Settings:
    return Settings(_env_file=None, database_url="postgresql+asyncpg://db/learning", **auth_settings, **changed)


def test_a_hold_lasts_half_an_hour_and_twenty_seconds_of_grace_by_default(
    auth_settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PORT", "HOLD_MINUTES", "HOLD_GRACE_SECONDS"):
        monkeypatch.delenv(name, raising=False)
    assert load_settings(auth_settings).terms == Terms(timedelta(minutes=30), timedelta(seconds=20), LIMITS)
    assert load_settings(auth_settings).port == 50055
    short = load_settings(auth_settings, hold_minutes="0.05", hold_grace_seconds="0.5")
    assert short.terms == Terms(timedelta(seconds=3), timedelta(seconds=0.5), LIMITS)


@pytest.mark.parametrize(
    ("name", "value"),
    [("hold_minutes", 0), ("hold_minutes", "long"), ("hold_grace_seconds", -1), ("database_url", "mysql://db")],
)
def test_a_bad_setting_is_named(auth_settings: dict[str, Any], name: str, value: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(**{"_env_file": None, "database_url": "postgresql+asyncpg://db/x", **auth_settings, name: value})
    assert name in str(refused.value).lower()


def test_the_servicer_answers_every_rpc_of_the_contract() -> None:
    service = pb.DESCRIPTOR.services_by_name["LearningService"]
    assert {method.name for method in service.methods} <= set(vars(LearningServicer))
