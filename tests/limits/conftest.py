"""A mesh per module, in this process, and people who use it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from tests.inhabited import world, world_settings
from tests.limits.gated import reach, start_limited
from tests.people import People
from tests.world import World

__all__ = ["reach", "start_limited", "world", "world_settings"]


@pytest_asyncio.fixture(loop_scope="session")
async def people(world: World) -> AsyncIterator[People]:
    async with httpx.AsyncClient(timeout=15) as http:
        acting = People(world, http, {})
        yield acting
        await acting.no_faults()
        for channel in acting.channels.values():
            await channel.close()
