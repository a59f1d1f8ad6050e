"""Replicas behind one name: calls find a new one, and none fails when one goes. The addresses are of 127.0.0.0/8."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
import pytest_asyncio

from mesh import channels
from mesh.channels import connect
from mesh.identity import Verifier
from mesh.server import Server
from mesh.settings import ServiceSettings
from tests.conftest import FixedToken
from tests.mesh.conftest import GET, nothing, sessions, wait_until
from tests.name_server import Names
from tutormesh.session.v1 import session_pb2_grpc

FIRST, SECOND = "127.0.0.2", "127.0.0.3"
NAME = "session.example"
CALLERS = 8


class Load:
    """Callers who call again and again. Every call must succeed."""

    def __init__(self, stub: Any) -> None:
        self._stub, self._running = stub, True
        self.done = 0
        self.failed: Counter[str] = Counter()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Load]:
        tasks = [asyncio.create_task(self._call()) for _ in range(CALLERS)]
        try:
            await self.goes_on()
            yield self
            await self.goes_on()
        finally:
            self._running = False
            await asyncio.gather(*tasks)
        assert not self.failed

    async def _call(self) -> None:
        while self._running:
            try:
                await self._stub.GetSession(GET, timeout=5)
            except Exception as error:
                self.failed[str(error)] += 1
            self.done += 1

    async def goes_on(self) -> None:
        """Wait for some more calls."""
        enough = self.done + 5 * CALLERS

        async def holds() -> bool:
            return self.done >= enough

        await wait_until(holds)


class Replica:
    """A server at an address, and how many calls it has begun."""

    def __init__(self, address: str, port: int, verifier: Verifier, auth: dict[str, Any], **settings: Any) -> None:
        self.begun = 0
        self.answer = nothing
        given = {"host": address, "port": port, "drain_seconds": 1, "max_connection_age_seconds": 0.3, **settings}
        self.server = Server(ServiceSettings(_env_file=None, **given, **auth), verifier, [sessions(self._answer)])
        self.stop = self.server.stop

    async def _answer(self) -> None:
        self.begun += 1
        await self.answer()

    async def is_called(self) -> None:
        """Wait until it begins one more call."""
        before = self.begun

        async def holds() -> bool:
            return self.begun > before

        await wait_until(holds)


@pytest.fixture(scope="module")
def name_server() -> Iterator[Names]:
    with Names.serving() as served:
        yield served


@pytest.fixture
def names(name_server: Names, monkeypatch: pytest.MonkeyPatch) -> Names:
    """The name server, which channels ask as often as they like."""
    soon = dict(channels.OPTIONS) | {"grpc.dns_min_time_between_resolutions_ms": 50}
    monkeypatch.setattr(channels, "OPTIONS", tuple(soon.items()))
    name_server.fails = False
    return name_server


@pytest.fixture
def port() -> int:
    """A port that is free at both addresses; it stays free while nobody else takes it."""
    with socket.socket() as first, socket.socket() as second:
        first.bind((FIRST, 0))
        number = int(first.getsockname()[1])
        second.bind((SECOND, number))
    return number


Start = Callable[..., Awaitable[Replica]]


@pytest_asyncio.fixture
async def start(port: int, verifier: Verifier, auth_settings: dict[str, Any]) -> AsyncIterator[Start]:
    """`await start(FIRST, drain_delay_seconds=…)`: a replica at this address."""
    async with contextlib.AsyncExitStack() as stack:

        async def run(address: str, **settings: Any) -> Replica:
            replica = Replica(address, port, verifier, auth_settings, **settings)
            await replica.server.start()
            stack.push_async_callback(replica.stop)
            return replica

        yield run


@pytest_asyncio.fixture
async def load(names: Names, port: int, token: Callable[..., str]) -> AsyncIterator[Load]:
    own = FixedToken("payment", token("service", service="payment"))
    async with connect(names.target(NAME, port), own) as channel:
        yield Load(session_pb2_grpc.SessionServiceStub(channel))


async def test_68_a_new_replica_gets_calls_once_a_connection_has_had_its_time(start: Start, names: Names, load: Load):
    first = await start(FIRST)
    names.set(NAME, FIRST)
    async with load.running():
        second = await start(SECOND)
        names.set(NAME, FIRST, SECOND)
        await second.is_called()
        await first.is_called()


async def test_68_connections_whose_time_is_over_cost_no_failed_call(start: Start, names: Names, load: Load):
    for address in (FIRST, SECOND):
        await start(address, max_connection_age_seconds=0.05)
    names.set(NAME, FIRST, SECOND)
    async with load.running():
        before = names.asked

        async def resolved_often() -> bool:
            return names.asked > before + 20

        await wait_until(resolved_often)


@pytest.mark.parametrize("before", ["its name is gone", "its name is there"])
@pytest.mark.parametrize("delay", [0.0, 0.2])
async def test_68_a_replica_that_stops_costs_no_failed_call(
    start: Start, names: Names, load: Load, before: str, delay: float
):
    first, second = await start(FIRST, drain_delay_seconds=delay), await start(SECOND)
    names.set(NAME, FIRST, SECOND)
    async with load.running():
        await first.is_called()
        await second.is_called()
        if before == "its name is gone":
            names.set(NAME, SECOND)
        await first.server.leave()
        await first.stop()
        await load.goes_on()


async def test_68_the_only_replica_is_replaced_without_a_failed_call(start: Start, names: Names, load: Load):
    """Nobody has told the channel of the second one, when the first says that it does not serve any more."""
    first = await start(FIRST, drain_delay_seconds=0.2, max_connection_age_seconds=60)
    names.set(NAME, FIRST)
    async with load.running():
        second = await start(SECOND)
        names.set(NAME, SECOND)
        await first.server.leave()
        await first.stop()
        await second.is_called()


async def test_68_a_name_server_that_fails_changes_nothing(start: Start, names: Names, load: Load):
    first = await start(FIRST)
    names.set(NAME, FIRST)
    async with load.running():
        names.fails, before = True, names.asked

        async def was_asked_again() -> bool:
            return names.asked > before + 2

        await wait_until(was_asked_again)
        await load.goes_on()
        await first.is_called()


async def test_68_calls_that_meet_a_stop_are_repeated_and_have_begun_once(start: Start, names: Names, load: Load):
    """Without a delay, calls arrive while the server stops. gRPC refuses those unread, and the channel repeats them."""
    first, second = await start(FIRST, drain_delay_seconds=0), await start(SECOND)
    names.set(NAME, FIRST, SECOND)
    async with load.running():
        for _ in range(3):
            await first.is_called()
            await first.stop()
            first_before, first = first, await start(FIRST, drain_delay_seconds=0)
            first.begun += first_before.begun
    assert first.begun + second.begun == load.done


async def test_a_caller_who_leaves_is_not_repeated(start: Start, names: Names, port: int, token: Callable[..., str]):
    """The channel repeats what a server cancels, and never what the caller cancels."""
    replica = await start(FIRST)
    names.set(NAME, FIRST)
    entered, left = asyncio.Event(), asyncio.Event()

    async def answer() -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    replica.answer = answer
    own = FixedToken("payment", token("service", service="payment"))
    async with connect(names.target(NAME, port), own) as channel:
        call = session_pb2_grpc.SessionServiceStub(channel).GetSession(GET, timeout=5)
        await asyncio.wait_for(entered.wait(), 5)
        call.cancel()
        await asyncio.wait_for(left.wait(), 5)
        replica.answer = nothing
        await session_pb2_grpc.SessionServiceStub(channel).GetSession(GET, timeout=5)
    assert replica.begun == 2
