"""A whole mesh with a lesson and a seat that were sold, and sales that were made after them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from bench.growth.fill import Sold, fill
from bench.growth.people import Plan
from tests.inhabited import people, world
from tests.learners import active
from tests.people import People, lesson_time
from tests.world import World

__all__ = ["filled", "people", "plan", "sold", "world", "world_settings"]


@pytest.fixture(scope="module")
def world_settings() -> dict[str, dict[str, Any]]:
    """The audit asks the provider about hundreds of intents, in this process."""
    return {"payment": {"stripe_timeout_seconds": 10}}


@pytest.fixture(scope="session")
def plan() -> Plan:
    return Plan(120)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sold(world: World) -> Sold:
    """A lesson and a seat, paid and COMPLETED."""
    async with httpx.AsyncClient(timeout=10) as http:
        acting = People(world, http, {})
        tutor = await acting.tutor()
        lesson = await acting.booked(tutor, lesson_time())
        await acting.pay(lesson.intent)
        await acting.until_state(lesson.saga, "COMPLETED")
        seat = await active(acting)
        await acting.at_rest()
        for channel in acting.channels.values():
            await channel.close()
    return Sold(lesson.saga, seat.saga)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def filled(world: World, sold: Sold, plan: Plan) -> dict[str, dict[str, int]]:
    """How many rows there are after the sales of the plan, by database and table."""
    urls = {package.removesuffix("_svc"): url.replace("+asyncpg", "") for package, url in world.urls.items()}
    (row,) = world.provider.execute("pragma database_list").fetchall()
    return await fill(urls, Path(row[2]), sold, plan)
