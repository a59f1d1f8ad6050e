"""One mesh of real processes for this folder, started as by `make up`, with its own ports and data folder."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.contract.client import SECONDS, MeshClient, lesson_time
from tests.devkit.fake_mesh import RealMesh, run_mesh

#: A hold is so short that a test can wait for its end, and longer than any test takes to pay. An operator reconciles here.
HOLD = {"HOLD_MINUTES": "0.25", "HOLD_GRACE_SECONDS": "1", "RECONCILE_SECONDS": "600"}


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MeshClient]:
    async with (
        run_mesh(RealMesh(tmp_path_factory.mktemp("contract"), **HOLD)) as started,
        httpx.AsyncClient(timeout=SECONDS) as http,
    ):
        client = MeshClient(started.layout, http, started.console.text.getvalue)
        student, tutor = client.person("student"), await client.tutor()
        made = await student.book(tutor, lesson_time())
        client.expiring = {"student": student, "tutor": tutor, "made": made}
        yield client
