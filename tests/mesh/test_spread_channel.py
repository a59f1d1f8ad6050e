"""Replicas that share a port: a channel with several connections gives each of them calls."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest_asyncio

from mesh.channels import connect
from mesh.identity import Verifier
from mesh.server import Server
from mesh.settings import ServiceSettings
from tests.conftest import FixedToken
from tests.mesh.conftest import GET, sessions
from tutormesh.session.v1 import session_pb2_grpc

#: The kernel chooses a replica for each connection. That it chooses one for all of these happens once in two billion runs.
CONNECTIONS = 32


class Replicas:
    """Two servers on one port, and how many calls each has served."""

    def __init__(self, servers: list[Server], served: Counter[int]) -> None:
        self.servers, self.served, self.port = servers, served, servers[0].port


@pytest_asyncio.fixture
async def replicas(auth_settings: dict[str, Any], verifier: Verifier) -> AsyncIterator[Replicas]:
    served: Counter[int] = Counter()

    def answer(number: int) -> Callable[[], Any]:
        async def count() -> None:
            served[number] += 1

        return count

    servers: list[Server] = []
    for number in range(2):
        port = servers[0].port if servers else 0
        settings = ServiceSettings(_env_file=None, port=port, reuse_port=True, drain_seconds=1, **auth_settings)
        servers.append(Server(settings, verifier, [sessions(answer(number))]))
        await servers[-1].start()
    yield Replicas(servers, served)
    for server in servers:
        await server.stop()


@pytest_asyncio.fixture
async def channel(replicas: Replicas, token: Callable[..., str]) -> AsyncIterator[grpc.aio.Channel]:
    own = FixedToken("payment", token("service", service="payment"))
    async with AsyncExitStack() as stack:
        opened = connect(f"127.0.0.1:{replicas.port}", own, connections=CONNECTIONS)
        yield await stack.enter_async_context(opened)


async def call_on_each_connection(channel: grpc.aio.Channel) -> None:
    stub = session_pb2_grpc.SessionServiceStub(channel)
    await asyncio.gather(*(stub.GetSession(GET, timeout=10) for _ in range(CONNECTIONS)))


async def test_each_replica_behind_one_port_gets_calls(replicas: Replicas, channel: grpc.aio.Channel) -> None:
    await channel.channel_ready()
    await call_on_each_connection(channel)
    assert set(replicas.served) == {0, 1}
    assert sum(replicas.served.values()) == CONNECTIONS


async def test_the_other_replica_gets_every_call_when_one_has_stopped(
    replicas: Replicas, channel: grpc.aio.Channel
) -> None:
    await channel.channel_ready()
    await replicas.servers[0].stop()
    replicas.served.clear()
    await call_on_each_connection(channel)
    assert replicas.served == {1: CONNECTIONS}
