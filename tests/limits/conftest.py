"""A whole mesh per module, in this process, and people who act on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from mesh.identity import Verifier
from tests.audited import assert_clean
from tests.conftest import MakeDatabase
from tests.people import People
from tests.world import World, world_of


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(
    make_database: MakeDatabase,
    token: Callable[..., str],
    auth_settings: dict[str, Any],
    verifier: Verifier,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """Its audit is clean in the end."""
    folder = tmp_path_factory.mktemp("world")
    async with world_of(make_database, token, auth_settings, verifier, folder) as running:
        yield running
        await assert_clean(running)


@pytest_asyncio.fixture(loop_scope="session")
async def people(world: World) -> AsyncIterator[People]:
    async with httpx.AsyncClient(timeout=15) as http:
        acting = People(world, http, {})
        yield acting
        await acting.no_faults()
        for channel in acting.channels.values():
            await channel.close()
