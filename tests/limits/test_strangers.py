"""Callers without a token take nothing away from services: no place, no time, no other watcher, not the server itself."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mesh import gate
from mesh.errors import CallFailed
from mesh.server import MAX_CALLS, MAX_PUBLIC, MAX_PUBLIC_OF_A_CONNECTION, MAX_STREAMS, SERVING
from tests.limits import http2
from tests.limits.gated import GET
from tests.limits.http2 import EMPTY_MESSAGE, Connection, connection, message
from tutormesh.booking.v1 import booking_pb2

GET_BOOKING = b"/tutormesh.booking.v1.BookingService/GetBooking"
WATCH_BOOKING = b"/tutormesh.booking.v1.BookingService/WatchBooking"
CHECK, WATCH = b"/grpc.health.v1.Health/Check", b"/grpc.health.v1.Health/Watch"
REFLECTION = b"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
#: A tag of a field that never ends.
MALFORMED = b"\xff\xff\xff\xff"
#: As many as filled a server once.
CROWD = 1400

OK, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED, UNAVAILABLE, UNAUTHENTICATED = 0, 3, 8, 12, 14, 16


def status(headers: bytes) -> int:
    """The grpc-status in the payload of a HEADERS frame: a literal, of one digit or two."""
    found = re.search(rb"grpc-status(?:\x01(\d)|\x02(\d\d))", headers)
    assert found is not None, headers
    return int(found[1] or found[2])


async def answer(address: str, path: bytes, *data: bytes, end: bool = True, **headers: bytes) -> int:
    """The status of one request, on a connection of its own."""
    async with connection(address) as alone:
        await alone.request(1, path, *data, end=end, **headers)
        return status(await alone.until_ended(1))


@pytest_asyncio.fixture
async def open_connections() -> AsyncIterator[Callable[..., Any]]:
    """`await open_connections(address, number)`: so many connections, closed at the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def opened(address: str, number: int) -> list[Connection]:
            return [await stack.enter_async_context(connection(address)) for _ in range(number)]

        yield opened


async def watch_health(address: str) -> tuple[grpc.aio.Channel, Any]:
    """A watch of health by a peer's channel, which has seen SERVING."""
    channel = grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
    stream = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=60)
    assert (await stream.read()).status == SERVING
    return channel, stream


async def expect_service(servicer: Any, stub: Any, address: str) -> None:
    """Peers are served as ever: a call, a check, and a new watch of health.

    The first call may be refused while gRPC's core has a thousand requests of one RPC that the process has not seen yet.
    """
    servicer.go.set()
    async with asyncio.timeout(60):
        while True:
            try:
                assert await stub.GetBooking(GET, timeout=10) == booking_pb2.GetBookingResponse()
                break
            except CallFailed:
                await asyncio.sleep(0.05)
    assert await answer(address, CHECK, EMPTY_MESSAGE) == OK
    channel, _ = await watch_health(address)
    await channel.close()


@pytest.mark.parametrize("of_a_connection", [CROWD, MAX_PUBLIC_OF_A_CONNECTION, 20])
async def test_61_a_crowd_of_health_watchers_shuts_nobody_out(
    start_limited, reach, open_connections, of_a_connection: int
):
    servicer, address = await start_limited()
    peer, watch = await watch_health(address)
    for stranger in await open_connections(address, CROWD // of_a_connection):
        for number in range(of_a_connection):
            await stranger.request(1 + 2 * number, WATCH, EMPTY_MESSAGE)
    await expect_service(servicer, reach(address), address)
    assert not watch.done()  # the peer has one place, and strangers have more
    await peer.close()


async def test_61_watchers_beyond_a_connections_share_are_refused_and_the_others_stay(start_limited, open_connections):
    _, address = await start_limited()
    (stranger,) = await open_connections(address, 1)
    for number in range(MAX_PUBLIC_OF_A_CONNECTION + 1):
        await stranger.request(1 + 2 * number, WATCH, EMPTY_MESSAGE)
    last = 1 + 2 * MAX_PUBLIC_OF_A_CONNECTION
    assert status(await stranger.until_ended(last)) == RESOURCE_EXHAUSTED
    assert {of for kind, flags, of, _ in stranger.frames if kind == http2.HEADERS and flags & 1} == {last}


@pytest.mark.parametrize("path", [GET_BOOKING, WATCH_BOOKING])
async def test_61_a_call_without_a_token_is_refused_before_its_message_comes(
    start_limited, reach, open_connections, path: bytes
):
    servicer, address = await start_limited()
    for stranger in await open_connections(address, 2):
        for number in range(CROWD // 2):
            await stranger.request(1 + 2 * number, path, end=False)
        assert status(await stranger.until_ended(1)) == UNAUTHENTICATED
    await expect_service(servicer, reach(address), address)


@pytest.mark.parametrize("path", [GET_BOOKING, WATCH_BOOKING, CHECK, WATCH])
@pytest.mark.parametrize("part", [(), (message(b"0123456789")[:7],)], ids=["nothing", "a part"])
async def test_61_a_message_that_does_not_arrive_ends_the_call(
    start_limited, token, monkeypatch, path: bytes, part: tuple[bytes, ...]
):
    """Of whoever it is: a caller's network may break too. It may try again."""
    monkeypatch.setattr(gate, "MESSAGE_SECONDS", 0.2)
    servicer, address = await start_limited(max_calls=1)
    own = token("service", service="bff").encode()
    assert await answer(address, path, *part, end=False, x_service_token=own) == UNAVAILABLE
    assert servicer.inside == 0
    assert await answer(address, CHECK, EMPTY_MESSAGE) == OK


@pytest.mark.parametrize("path", [CHECK, REFLECTION])
async def test_61_what_needs_no_token_has_a_bounded_time(start_limited, monkeypatch, path: bytes):
    monkeypatch.setattr(gate, "PUBLIC_SECONDS", 0.2)
    _, address = await start_limited()
    assert await answer(address, path, end=False) == RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("path", "body", "with_token", "expected"),
    [
        (GET_BOOKING, message(MALFORMED), False, UNAUTHENTICATED),
        (WATCH_BOOKING, message(MALFORMED), False, UNAUTHENTICATED),
        (GET_BOOKING, message(MALFORMED), True, INVALID_ARGUMENT),
        (WATCH_BOOKING, message(MALFORMED), True, INVALID_ARGUMENT),
        (CHECK, message(MALFORMED), False, INVALID_ARGUMENT),
        (WATCH, message(MALFORMED), False, INVALID_ARGUMENT),
        (REFLECTION, message(MALFORMED), False, INVALID_ARGUMENT),
        (CHECK, message(b"\x0a\x02\xff\xfe"), False, INVALID_ARGUMENT),  # a string that is not UTF-8
        (GET_BOOKING, b"", True, INVALID_ARGUMENT),
        (CHECK, b"", False, INVALID_ARGUMENT),
        (b"/tea.v1.TeaService/Pour", message(MALFORMED), False, UNIMPLEMENTED),
        (b"/", EMPTY_MESSAGE, False, UNIMPLEMENTED),
        (b"/\xff\xfe/\xfd", EMPTY_MESSAGE, False, UNIMPLEMENTED),
    ],
)
async def test_50_a_malformed_request_is_refused_by_its_code_and_leaves_no_traceback(
    start_limited, reach, token, caplog, path: bytes, body: bytes, with_token: bool, expected: int
):
    servicer, address = await start_limited()
    own = {"x_service_token": token("service", service="bff").encode()} if with_token else {}
    with caplog.at_level(logging.WARNING):
        assert await answer(address, path, body, **own) == expected
        await expect_service(servicer, reach(address), address)
    assert [record for record in caplog.records if record.exc_info] == []
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("name", ["x_service_token", "authorization", "x_request_id", "x_tea"])
async def test_50_metadata_that_is_not_utf8_leaves_no_traceback(start_limited, caplog, name: str):
    _, address = await start_limited()
    with caplog.at_level(logging.WARNING):
        assert await answer(address, GET_BOOKING, EMPTY_MESSAGE, **{name: b"\xff\xfe"}) == UNAUTHENTICATED
    assert caplog.records == []


async def test_61_a_watcher_that_takes_no_answer_holds_up_neither_the_others_nor_the_drain(start_limited):
    _, address = await start_limited()
    async with connection(address, {http2.INITIAL_WINDOW_SIZE: 0}) as stranger:
        await stranger.request(1, WATCH, EMPTY_MESSAGE)
        await stranger.request(3, CHECK, EMPTY_MESSAGE)
        channel, watch = await watch_health(address)
        await channel.close()
        del watch
    # The fixture stops the server, which fails the test when it hangs.


async def test_61_one_connection_has_fewer_streams_than_there_is_room(start_limited):
    _, address = await start_limited()
    async with connection(address) as anybody:
        most = (await anybody.settings())[http2.MAX_CONCURRENT_STREAMS]
    assert most < MAX_CALLS + MAX_STREAMS + MAX_PUBLIC
    assert most >= MAX_STREAMS + MAX_CALLS  # the edge has all its watches on one


async def test_61_callers_whose_tokens_are_being_verified_have_a_bound_of_their_own(start_limited, reach, token):
    """An unknown key makes the server ask the issuer, and those who wait for it take no place of a known caller."""
    servicer, address = await start_limited()
    unknown = b".".join(
        base64.urlsafe_b64encode(part) for part in (b'{"alg": "ES256", "kid": "tea"}  ', b"{}  ", b"x  ")
    )
    crowd = [answer(address, GET_BOOKING, EMPTY_MESSAGE, x_service_token=unknown) for _ in range(300)]
    assert set(await asyncio.gather(*crowd)) <= {UNAUTHENTICATED, UNAVAILABLE, RESOURCE_EXHAUSTED}
    await expect_service(servicer, reach(address), address)
