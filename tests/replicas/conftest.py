"""One mesh for this folder, with two real payment_svc processes at the default settings."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.replicas.processes import Processes, processes


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Processes]:
    async with processes(tmp_path_factory.mktemp("replicas"), PAYMENT_REPLICAS="2") as started:
        yield started
