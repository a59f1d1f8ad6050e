"""One mesh of real processes for the commands of the pages, as `make up` starts it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.devkit.fake_mesh import RealMesh, run_mesh, wait_until


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealMesh]:
    async with run_mesh(RealMesh(tmp_path_factory.mktemp("docs"))) as started:
        await wait_until((started.layout.data / "demo.loaded").exists)
        yield started
