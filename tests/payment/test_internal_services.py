"""The program of docs/internal-services.md is run as it stands."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from mesh.errors import Forbidden
from tests.people import People, lesson_time
from tests.world import World
from tutormesh.availability.v1.availability_pb2 import ReleaseSlotRequest
from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceStub

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "internal-services.md"
SECONDS = 30


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The page's program, in a file of its own."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    file = tmp_path / "book.py"
    file.write_text(code, encoding="utf-8")
    return file


@pytest.fixture
def environment(world: World, tmp_path: Path, token: Callable[..., str]) -> dict[str, str]:
    identity = tmp_path / "internal.token"
    identity.write_text(token("service", service="internal"))
    return {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'generated'}",
        "SERVICE_TOKEN_FILE": str(identity),
        "PAYMENT_ADDRESS": f"127.0.0.1:{world.ports['payment']}",
        "BOOKING_ADDRESS": f"127.0.0.1:{world.ports['booking']}",
    }


async def start(program: Path, environment: dict[str, str], *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(program),
        *arguments,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_a_service_books_for_a_student_and_sees_the_confirmation(
    people: People, program: Path, environment: dict[str, str]
) -> None:
    tutor, student = await people.tutor(), uuid4()
    process = await start(program, environment, str(tutor), str(student), lesson_time().isoformat())
    assert process.stdout is not None
    first = (await asyncio.wait_for(process.stdout.readline(), SECONDS)).decode()
    booking, intent = re.fullmatch(r"booking (\S+): pay (pi_\w+)\n", first).groups()  # type: ignore[union-attr]
    assert (await people.booking(booking)).student_id == str(student)
    await people.pay(intent)
    rest, errors = await asyncio.wait_for(process.communicate(), SECONDS)
    assert rest.decode().splitlines()[-1] == "BOOKING_STATUS_CONFIRMED", errors.decode()
    assert process.returncode == 0


async def test_a_service_gets_a_refusal_by_its_name(people: People, program: Path, environment: dict[str, str]) -> None:
    too_late = lesson_time() - timedelta(days=10_000)
    process = await start(program, environment, str(await people.tutor()), str(uuid4()), too_late.isoformat())
    _, errors = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode == 1
    assert re.search(r"^refused: TOO_SOON: \S", errors.decode(), re.M)


async def test_what_only_the_sagas_may_do_is_refused_to_an_internal_service(people: People) -> None:
    stub = people.stub(AvailabilityServiceStub, "availability", "internal")
    with pytest.raises(Forbidden):
        await stub.ReleaseSlot(ReleaseSlotRequest(saga_id=str(uuid4())), timeout=5)
