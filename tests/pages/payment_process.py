"""payment_svc as a process of its own in a test's world, and moments of a payment at which it can be killed by kill -9."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from tests.people import Booked, wait_until
from tests.world import World

ROOT = Path(__file__).parents[2]
#: `python -m payment_svc`, which ends when the test's own process ends in whatever way. A `preexec_fn` could not say so:
#: forking a process that has gRPC's threads is unsafe.
START = """
import runpy
from devkit.processes.lifetime import end_with_parent
end_with_parent()
runpy.run_module("payment_svc", run_name="__main__", alter_sys=True)
"""


@dataclass
class PaymentProcess:
    """A payment_svc that can be killed, and started again."""

    world: World
    folder: Path
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        settings = self.world.payment_settings().model_dump(exclude_unset=True, exclude_none=True)
        token = self.folder / "payment.token"
        token.write_text(self.world.token("service", service="payment"))
        given = {name.upper(): str(value) for name, value in settings.items()}
        given |= {"SERVICE_TOKEN_FILE": str(token), "PYTHONPATH": f"{ROOT}:{ROOT / 'generated'}", "LOG_FORMAT": "json"}
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        with (self.folder / "payment.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", START],
                env=kept | given, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    async def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "payment.log").read_text()[-2000:]
        self._process.kill()
        await asyncio.to_thread(self._process.wait)

    async def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            await asyncio.to_thread(self._process.wait, 10)


@contextlib.asynccontextmanager
async def payment_in_a_process(world: World, folder: Path) -> AsyncIterator[PaymentProcess]:
    """Within, the world's payment_svc is a process; afterwards it is one of the test's own again."""
    for replica in list(world.replicas):
        await world.stop_replica(replica)
    process = PaymentProcess(world, folder)
    process.start()
    try:
        yield process
    finally:
        await process.stop()
        await world.start_replica()


@contextlib.asynccontextmanager
async def locked(world: World, service: str, statement: str, *values: object) -> AsyncIterator[None]:
    """Within, whoever needs what the statement locks waits in the middle of its transaction."""
    connection = await asyncpg.connect(world.urls[f"{service}_svc"].replace("+asyncpg", ""))
    try:
        async with connection.transaction():
            await connection.execute(statement, *values)
            yield
    finally:
        await connection.close()


async def until_it_waits(world: World, service: str, statement: str) -> None:
    """Until a statement of this kind waits for a lock in the service's database."""
    ask = """select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
             and position($1 in query) > 0"""
    await wait_until(lambda: world.sql(service, ask, statement), bool)


Reached = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Moment:
    """A moment of a payment, in which a statement of payment_svc or of a service that it calls is held up.

    `lock` locks what the statement needs, in the service's database. Its $1 is the id that `about` names.
    """

    name: str
    service: str
    statement: str
    lock: str
    about: str = "saga"

    def __str__(self) -> str:
        return self.name

    @contextlib.asynccontextmanager
    async def stopped_at(self, world: World, booked: Booked) -> AsyncIterator[Reached]:
        """Within, the payment comes no further than this moment. Yields what waits until it is reached."""
        values = {"saga": [booked.saga], "booking": [booked.booking], "": []}[self.about]
        async with locked(world, self.service, self.lock, *values):
            yield lambda: until_it_waits(world, self.service, self.statement)


#: In the order of a payment. What is committed before each moment stays, and what comes after it is still to be done.
MOMENTS = (
    Moment(
        "the event is being stored", "payment", "insert into stripe_event",
        "lock table stripe_event in exclusive mode", about="",
    ),
    Moment("the event finds its saga", "payment", "from saga", "select 1 from saga where id = $1 for update"),
    Moment(
        "the slot is being confirmed", "availability", "set state = 'CONFIRMED'",
        "select 1 from claim where saga_id = $1 for update",
    ),
    Moment(
        "the session is being made", "session", "insert into session", "lock table session in exclusive mode", about=""
    ),
    Moment(
        "the booking is being confirmed", "booking", "update booking",
        "select 1 from booking where id = $1 for update", about="booking",
    ),
)  # fmt: skip
