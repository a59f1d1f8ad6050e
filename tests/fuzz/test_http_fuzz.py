"""Random bodies at every HTTP endpoint of an edge process: no 5xx, no stack trace, no hang, and memory stays flat.

Eighty to each endpoint; FULL=1 sends ten thousand.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import psutil
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.bodies import bodies
from tests.people import wait_until
from tests.world import World

ROOT = Path(__file__).resolve().parents[2]
FULL = bool(os.environ.get("FULL"))
AT_ONCE, ROUNDS = 20, 500 if FULL else 4
PEOPLE = 40
#: Bytes that the process may gain after the first endpoint's bodies: caches fill, fragments stay.
SLACK = 48 * 2**20
BOOKING, BLOCK = "/api/v1/bookings/{id}", "/api/v1/instructors/{id}/availability/block"
ENDPOINTS = (
    "POST /graphql",
    "POST /subgraphs/bookings",
    "POST /api/v1/bookings",
    f"POST {BOOKING}/cancel",
    f"POST {BOOKING}/payment-callback",
    f"POST {BLOCK}",
    f"DELETE {BLOCK}/{{id}}",
    "POST /payment/create-intent",
    "POST /webhooks/stripe",
    "POST /payment/webhook",
)


@dataclass
class Edge:
    """One edge process, and many people who send requests."""

    process: psutil.Process
    http: httpx.AsyncClient
    tokens: cycle[str]

    async def send(self, endpoint: str, body: bytes) -> None:
        method, _, path = endpoint.partition(" ")
        headers = {"authorization": f"Bearer {next(self.tokens)}", "content-type": "application/json"}
        answer = await self.http.request(method, path.format(id=uuid4()), content=body, headers=headers)
        assert answer.status_code < 500, (endpoint, answer.status_code, answer.text, body)
        assert "Traceback" not in answer.text

    @property
    def memory(self) -> int:
        return int(self.process.memory_info().rss)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def edge(
    world: World, token: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Edge]:
    folder = tmp_path_factory.mktemp("edge")
    (folder / "bff.token").write_text(token("service", service="bff"))
    told = {
        **{f"{name}_ADDRESS".upper(): f"127.0.0.1:{port}" for name, port in world.ports.items()},
        **{name.upper(): str(value) for name, value in world.auth.items()},
        "SERVICE_TOKEN_FILE": str(folder / "bff.token"),
        "PORT": "0",
        "LOG_FORMAT": "json",
    }
    log = (folder / "log").open("w+b")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bff"),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'generated'}", **told},
        cwd=folder,
        stdout=log,
        stderr=log,
    )
    roles = ("student", "tutor", "admin", "service")
    tokens = cycle([token(role, uuid4()) for role in roles for _ in range(PEOPLE)])
    try:
        url = f"http://127.0.0.1:{await _port(folder / 'log')}"
        limits = httpx.Limits(max_connections=AT_ONCE)
        async with httpx.AsyncClient(base_url=url, timeout=10, limits=limits) as http:
            yield Edge(psutil.Process(process.pid), http, tokens)
    finally:
        process.kill()
        await process.wait()
        log.close()


async def _port(log: Path) -> int:
    said = await wait_until(lambda: asyncio.to_thread(log.read_text), lambda text: '"port": ' in text, 30)
    return int(re.findall(r'"port": (\d+)', said)[0])


@pytest.fixture(scope="module")
def memory() -> dict[str, int]:
    """What the process used after each endpoint."""
    return {}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@settings(
    max_examples=ROUNDS,
    derandomize=True,
    database=None,
    deadline=None,  # each request has its own
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(sent=st.lists(bodies((str(UUID(int=7)),)), min_size=AT_ONCE, max_size=AT_ONCE))
async def test_50_random_bodies_are_answered(
    edge: Edge, memory: dict[str, int], endpoint: str, sent: list[bytes]
) -> None:
    await asyncio.gather(*(edge.send(endpoint, body) for body in sent))
    memory[endpoint] = edge.memory


def test_50_memory_stays_flat(memory: dict[str, int]) -> None:
    first, *_, last = memory.values()
    print({endpoint: f"{used / 2**20:.0f} MiB" for endpoint, used in memory.items()})
    assert last - first < SLACK
