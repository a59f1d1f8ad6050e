"""One mesh and one scene for every cell of the table."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.access.scene import Scene, make_scene
from tests.inhabited import world
from tests.people import People
from tests.world import World

__all__ = ["world"]


@pytest.fixture(scope="module")
def world_settings() -> dict[str, dict[str, Any]]:
    """Settings under which one student can book all day long."""
    minutes = dict.fromkeys(
        ("max_unpaid_minutes", "max_unpaid_minutes_per_tutor", "max_unpaid_minutes_of_tutor"), 10**6
    )
    return {
        "availability": {"max_unpaid_holds": 10_000, "max_lapsed_holds": 10_000, **minutes},
        "learning": {"max_unpaid_enrollments": 10_000, "max_lapsed_holds": 10_000},
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(world: World) -> AsyncIterator[Scene]:
    async with httpx.AsyncClient(timeout=10) as http:
        people = People(world, http, {})
        yield await make_scene(people)
        for channel in people.channels.values():
            await channel.close()
