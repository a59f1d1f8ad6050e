"""The database goes away and comes back: watches go on, and writes are refused with TRY_AGAIN meanwhile."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from booking_svc import convert
from booking_svc.bookings import Bookings
from booking_svc.domain import Status
from booking_svc.store import Store
from mesh import migrations
from mesh.changes import Changes
from mesh.database import Database
from mesh.errors import TryAgain
from mesh.watches import Watches

# A process of its own: gRPC lives in this one, and does not promise to bear a fork.
SERVER = """
import asyncio, pathlib, sys
from devkit.postgres import Postgres
with Postgres(pathlib.Path(sys.argv[1]), durable=False) as server:
    print(asyncio.run(server.create_database("booking")), flush=True)
    for line in sys.stdin:
        getattr(server, line.strip())()
        print("done", flush=True)
"""
MOVED = """
with moved as (update booking set status = 'CONFIRMED', version = 2 returning id)
select pg_notify('booking_changed', id::text) from moved
"""


class OwnServer:
    """A PostgreSQL server that this test alone uses."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def answer(self) -> str:
        assert self._process.stdout is not None
        async with asyncio.timeout(30):
            return (await self._process.stdout.readline()).decode().strip()

    async def command(self, word: str) -> None:
        """Send "stop" or "start" to the process, and return when it is done."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n".encode())
        assert await self.answer() == "done"


@pytest_asyncio.fixture(loop_scope="session")
async def own_server(tmp_path: Path) -> AsyncIterator[OwnServer]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, str(tmp_path / "postgres"),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    yield OwnServer(process)
    assert process.stdin is not None
    process.stdin.close()
    await process.wait()


async def test_a_watch_outlives_a_restart_of_the_database(own_server: OwnServer, booking_request: Any) -> None:
    url = await own_server.answer()
    await migrations.upgrade(url, "booking_svc")
    async with Database(url, name="booking") as database, Changes(url, "booking") as changes:
        bookings, request = Bookings(Store(database)), booking_request()
        await bookings.create(*convert.ids(request), convert.details(request))
        stream = Watches(bookings, changes).watch(UUID(request.booking_id))
        assert (await anext(stream)).version == 1
        pending = asyncio.ensure_future(anext(stream))
        await own_server.command("stop")
        with pytest.raises(TryAgain):
            await bookings.confirm(*convert.ids(request))
        await own_server.command("start")
        elsewhere = await asyncpg.connect(url.replace("+asyncpg", "", 1))
        await elsewhere.execute(MOVED)
        await elsewhere.close()
        async with asyncio.timeout(15):
            assert (await pending).status is Status.CONFIRMED
        await stream.aclose()
