"""One mesh of real processes for this folder, as `make up` starts it, on ports and a data folder of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.contract.outside import SECONDS, Outside, lesson_time
from tests.devkit.fake_mesh import RealMesh, run_mesh

#: Short, so that a test can wait for a hold's end; longer than any test takes to pay.
HOLD = {"HOLD_MINUTES": "0.25", "HOLD_GRACE_SECONDS": "1"}


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Outside]:
    async with (
        run_mesh(RealMesh(tmp_path_factory.mktemp("contract"), **HOLD)) as started,
        httpx.AsyncClient(timeout=SECONDS) as http,
    ):
        outside = Outside(started.layout, http, started.console.text.getvalue)
        student, tutor = outside.person("student"), await outside.tutor()
        made = await student.book(tutor, lesson_time())
        outside.left_alone = {"student": student, "tutor": tutor, "made": made}
        yield outside
