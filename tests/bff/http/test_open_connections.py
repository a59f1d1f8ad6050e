"""Open connections: one address or person cannot hold all of them, and what a client sends at once is bounded."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

import pytest

from bff.app import build
from bff.http.connections import Connections, OpenConnection
from bff.http.header_limits import MAX_WAITING
from tests.bff.live import Listener, listening, served
from tests.people import wait_until

HEALTH = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n"
#: An address for each number; all of them are this machine's.
HOSTS = [f"127.0.0.{number}" for number in range(1, 9)]


@dataclass
class Transport:
    """A transport that knows whether it was closed."""

    closed: bool = False

    def abort(self) -> None:
        self.closed = True


class Table:
    """A table of connections, and the connections by the order in which they came."""

    def __init__(self, most: int) -> None:
        self.connections, self.came = Connections(most), list[OpenConnection]()

    def add(self, owner: str, *, idle: bool = True) -> OpenConnection:
        transport: Any = Transport()
        made = OpenConnection(transport, owner, lambda: idle, self.connections)
        self.connections.add(made)
        self.came.append(made)
        return made

    def closed(self) -> list[int]:
        transports: list[Any] = [one.transport for one in self.came]
        return [number for number, transport in enumerate(transports) if transport.closed]


def test_61_the_oldest_idle_connection_of_whoever_has_most_is_closed() -> None:
    table = Table(4)
    for owner in ("greedy", "greedy", "greedy", "other"):
        table.add(owner)
    assert table.closed() == []
    table.add("newcomer")
    assert table.closed() == [0]
    table.add("newcomer")
    assert table.closed() == [0, 1]
    assert table.connections.count == 4


def test_61_whoever_has_most_closes_their_own() -> None:
    table = Table(3)
    for owner in ("greedy", "greedy", "other", "greedy", "greedy"):
        table.add(owner)
    assert table.closed() == [0, 1]


def test_a_connection_that_is_in_use_is_not_closed() -> None:
    table = Table(3)
    table.add("greedy", idle=False)
    table.add("greedy", idle=False)
    table.add("other")
    table.add("newcomer")  # whoever has most has none to give, so the next one gives
    assert table.closed() == [2]
    table.add("greedy", idle=False)
    assert table.closed() == [2, 3]


def test_when_all_are_in_use_the_new_one_stays_and_is_one_too_many() -> None:
    table = Table(2)
    for owner in ("a", "b", "c"):
        table.add(owner, idle=False)
    assert (table.closed(), table.connections.count) == ([], 3)


def test_a_connection_counts_for_the_person_whose_token_came_on_it() -> None:
    table = Table(4)
    for person in ("ann", "ben", "cem"):
        table.add("proxy").belongs_to(person)
    table.add("greedy").belongs_to("ann")
    table.add("proxy")
    assert table.closed() == [0]


def test_a_connection_that_was_closed_is_forgotten_once() -> None:
    table = Table(3)
    first, second = table.add("a"), table.add("a")
    first.close()
    first.close()
    first.belongs_to("b")
    assert table.connections.count == 1
    second.belongs_to("b")
    second.close()
    assert (table.connections.count, table.connections._owners) == (0, {})


class Client:
    """A raw connection from one of this machine's addresses."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def answered(self, request: bytes = HEALTH) -> int:
        """The status of an answer with a body."""
        self.writer.write(request)
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            (length,) = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
            await self.reader.readexactly(int(length.partition(b":")[2]))
        return int(head.split()[1])

    async def ended(self) -> bool:
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                return await self.reader.read() == b""
        return True


class Clients(contextlib.AsyncExitStack):
    """Connections to one edge, closed at the end."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self._host, _, self._port = at.partition(":")

    async def connect(self, host: str) -> Client:
        reader, writer = await asyncio.open_connection(self._host, int(self._port), local_addr=(host, 0))
        self.callback(writer.close)
        return Client(reader, writer)


async def test_61_one_address_cannot_hold_all_connections(peers: Any, verifier: Any, edge_settings: Any) -> None:
    """Neither with silent ones, nor with ones that have been answered."""
    async with served(build(peers, verifier), edge_settings, most=6) as at, Clients(at) as clients:
        other = await clients.connect(HOSTS[1])
        assert await other.answered() == 200
        greedy = [await clients.connect(HOSTS[0]) for _ in range(12)]
        for one in greedy[9:]:
            assert await one.answered() == 200
        for one in greedy[:7]:
            assert await one.ended()
        newcomers = [await clients.connect(host) for host in HOSTS[2:5]]
        for one in (other, *newcomers):
            assert await one.answered() == 200


async def test_61_one_person_cannot_hold_all_connections_behind_one_address(
    peers: Any, verifier: Any, edge_settings: Any, script: Any, make_person: Any
) -> None:
    def ask(token: str) -> bytes:
        body, kind = b'{"query": "{ __typename }"}', b"content-type: application/json"
        head = b"POST /graphql HTTP/1.1\r\nhost: a\r\nauthorization: Bearer %b\r\n" % token.encode()
        return head + b"%b\r\ncontent-length: %d\r\n\r\n%b" % (kind, len(body), body)

    greedy, others = ask(make_person("student").token), [ask(make_person("student").token) for _ in range(5)]
    async with served(build(peers, verifier), edge_settings, most=6) as at, Clients(at) as clients:
        held = [await clients.connect(HOSTS[0]) for _ in range(3)]
        for one in held:
            assert await one.answered(greedy) == 200
        people = []
        for request in others:
            people.append(await clients.connect(HOSTS[0]))
            assert await people[-1].answered(request) == 200
        assert await held[0].ended()
        assert await held[1].ended()
        assert [await one.answered(request) for one, request in zip(people, others, strict=True)] == [200] * 5


async def test_websockets_count_as_connections_until_they_are_closed(
    peers: Any, verifier: Any, edge_settings: Any, script: Any, student: Any
) -> None:
    app = build(peers, verifier)
    async with served(app, edge_settings, most=2) as at, Clients(at) as clients:
        idle = await clients.connect(HOSTS[0])
        assert await idle.answered() == 200
        async with listening(at, student.token) as first, listening(at, student.token) as second:
            assert await idle.ended()  # the sockets are in use
            for one in (first, second):
                await one.say("ping")
                assert (await one.heard())["type"] == "pong"

        async def answered() -> int:
            return await (await clients.connect(HOSTS[1])).answered()

        assert await wait_until(answered, lambda status: status == 200) == 200


async def test_a_client_that_sends_too_many_requests_at_once_is_cut_off(
    peers: Any, verifier: Any, edge_settings: Any
) -> None:
    async with served(build(peers, verifier), edge_settings) as at, Clients(at) as clients:
        patient = await clients.connect(HOSTS[0])
        patient.writer.write(HEALTH * (MAX_WAITING + 1))
        assert [await patient.answered(b"") for _ in range(MAX_WAITING + 1)] == [200] * (MAX_WAITING + 1)
        flooding = await clients.connect(HOSTS[0])
        flooding.writer.write(HEALTH * 4000)
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                assert (await flooding.reader.read()).count(b"HTTP/1.1 200") < MAX_WAITING


async def test_59_of_requests_that_came_together_none_runs_once_the_client_has_gone(
    peers: Any, verifier: Any, edge_settings: Any, script: Any, student: Any
) -> None:
    reached, go = asyncio.Event(), asyncio.Event()

    async def wait(_: object) -> Any:
        reached.set()
        await go.wait()
        return None

    script.answers["ListSlots"] = wait
    path = f"/api/v1/instructors/{student.id}/availability?from=2030-01-01T00:00:00Z&to=2030-01-02T00:00:00Z"
    request = f"GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {student.token}\r\n\r\n".encode()
    async with served(build(peers, verifier), edge_settings) as at, Clients(at) as clients:
        gone = await clients.connect(HOSTS[0])
        gone.writer.write(request * 5)
        await asyncio.wait_for(reached.wait(), 10)
        gone.writer.transport.abort()
        go.set()
        here = await clients.connect(HOSTS[0])
        for _ in range(5):
            assert await here.answered() == 200
    assert len(script.asked("ListSlots")) == 1


#: A ping of 125 bytes, and a piece of a text that goes on; both masked with zeros.
PING, EMPTY_PIECE = b"\x89\xfd\0\0\0\0" + b"x" * 125, b"\x00\x80\0\0\0\0"


async def flood(listener: Listener, frames: bytes) -> bool:
    """Sends these frames again and again, and reads nothing. True when the edge cuts the client off."""
    transport = listener.socket.transport
    transport.pause_reading()
    for _ in range(2000):
        if transport.is_closing():
            return True
        transport.write(frames)
        await asyncio.sleep(0)
    return False


@pytest.mark.parametrize("frames", [PING * 500, EMPTY_PIECE * 10_000], ids=["pings", "pieces"])
async def test_61_a_socket_that_fills_the_memory_is_cut_off(
    peers: Any,
    verifier: Any,
    edge_settings: Any,
    script: Any,
    student: Any,
    frames: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bff.http.header_limits.MAX_UNREAD_BYTES", 1000)
    async with served(build(peers, verifier), edge_settings) as at, listening(at, student.token) as listener:
        if frames.startswith(EMPTY_PIECE):
            listener.socket.transport.write(b"\x01\x80\0\0\0\0")  # the text begins
        assert await flood(listener, frames)
        listener.socket.transport.abort()


async def test_a_message_may_come_in_pieces(
    peers: Any, verifier: Any, edge_settings: Any, script: Any, student: Any
) -> None:
    async with served(build(peers, verifier), edge_settings) as at, listening(at, student.token) as listener:
        await listener.socket.send(iter('{"type": "ping", "payload": {"n": 1}}'))
        assert await listener.heard() == {"type": "pong", "payload": {"n": 1}}


@pytest.mark.parametrize(("hard", "soft"), [(100_000, 1024), (-1, 1024), (2048, 1024), (1024, 1024), (100, 100)])
def test_the_process_takes_as_many_connections_as_it_may_open_files(
    hard: int, soft: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bff.http import server

    set_to = []
    monkeypatch.setattr(server.resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(server.resource, "setrlimit", lambda _, limits: set_to.append(limits[0]))
    most = server.most_connections()
    assert 1 <= most <= server.MAX_CONNECTIONS
    assert set_to == ([] if hard == soft else [most + server.OTHER_FILES])
