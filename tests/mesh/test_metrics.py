"""The metrics port: bound or named, closed to slow clients, absent without its setting; and labels that are bounded."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mesh.channels import connect, messages
from mesh.metrics import exposition
from mesh.metrics.registry import OTHER, REGISTRY, Words
from mesh.server import Server
from mesh.settings import ServiceSettings
from mesh.tracing import short
from ops import probe
from tests.conftest import FixedToken
from tests.mesh.conftest import GET, bookings, nothing, sessions, wait_until
from tutormesh.booking.v1 import booking_pb2, booking_pb2_grpc
from tutormesh.session.v1 import session_pb2_grpc

METRICS = "http://127.0.0.1:{}/metrics"


def settings(auth: dict[str, Any], **given: Any) -> ServiceSettings:
    return ServiceSettings(_env_file=None, port=0, **auth, **given)


async def test_without_the_setting_nothing_is_served_measured_or_read(auth_settings: dict[str, Any]) -> None:
    threads, tasks = set(threading.enumerate()), asyncio.all_tasks()

    async def refresh() -> None:
        raise AssertionError("it is read")

    async with exposition.serving(settings(auth_settings), "x", refresh=refresh):
        await asyncio.sleep(0)
        assert set(threading.enumerate()) <= threads and asyncio.all_tasks() <= tasks


async def test_what_is_stored_is_read_by_the_process_and_not_by_a_scrape(auth_settings: dict[str, Any]) -> None:
    reads = []

    async def refresh() -> None:
        reads.append(1)

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    async with (
        exposition.serving(settings(auth_settings, metrics_port=port), "x", refresh=refresh),
        httpx.AsyncClient() as http,
    ):
        for _ in range(5):
            assert 'tutormesh_build_info{service="x"' in (await http.get(METRICS.format(port))).text
    assert len(reads) == 1
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=1)


async def test_a_client_that_sends_nothing_keeps_nobody_waiting() -> None:
    with exposition.answering("127.0.0.1", 0) as port:
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        async with httpx.AsyncClient(timeout=2) as http:
            assert (await http.get(METRICS.format(port))).status_code == 200
        for one in silent:
            one.close()


async def test_a_process_serves_rpcs_health_and_metrics_on_ipv6(auth_settings: dict[str, Any], verifier: Any) -> None:
    given = settings(auth_settings, host="[::1]", health_port=0)
    server = Server(given, verifier, [])
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"[::1]:{server.port}") as channel:
            answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        assert await asyncio.to_thread(probe.ask_grpc, f"[::1]:{server.health_port}") == ""
    finally:
        await server.stop()
    with exposition.answering(given.host, 0) as port:
        assert await asyncio.to_thread(probe.ask_http, f"http://[::1]:{port}/metrics") == ""


def test_the_metrics_port_asks_no_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(*_: str) -> str:
        raise AssertionError("the DNS is asked")

    monkeypatch.setattr(socket, "getfqdn", ask)
    with exposition.answering("127.0.0.1", 0) as port:
        assert port


async def test_streams_are_measured_by_how_long_they_last_and_calls_by_how_long_they_take(
    start_server: Any, token: Any
) -> None:
    left = asyncio.Event()
    server = await start_server(bookings(left.wait), sessions(nothing))
    own = FixedToken("bff", token("service", service="bff"))
    async with connect(f"127.0.0.1:{server.port}", own) as channel:
        await session_pb2_grpc.SessionServiceStub(channel).GetSession(GET, timeout=5)
        request = booking_pb2.WatchBookingRequest(booking_id="b")
        stub = booking_pb2_grpc.BookingServiceStub(channel)
        before = sample(WATCH, "OK"), sample(WATCH, "CANCELLED"), sample(LEFT, "CANCELLED")
        stream = messages(stub.WatchBooking(request, timeout=5))
        await anext(stream)
        assert (sample(WATCH, "OK"), sample(WATCH, "CANCELLED")) == before[:2]
        left.set()
        assert [one async for one in stream] == []
        call = stub.WatchBooking(request, timeout=5)
        left.clear()
        await anext(aiter(call))
        call.cancel()
        await wait_until(lambda: _now(sample(WATCH, "CANCELLED") == before[1] + 1))
        await wait_until(lambda: _now(sample(LEFT, "CANCELLED") == before[2] + 1))
        assert sample(WATCH, "OK") == before[0] + 1
    calls = "tutormesh_rpc_duration_seconds", "tutormesh_rpc_client_duration_seconds"
    for name in calls:
        assert sample(name, "OK", "SessionService/GetSession") >= 1
        assert sample(name, "OK") == sample(name, "CANCELLED") == 0


WATCH, LEFT = "tutormesh_rpc_client_stream_duration_seconds", "tutormesh_rpc_stream_duration_seconds"


def sample(name: str, code: str, rpc: str = "BookingService/WatchBooking") -> float:
    """How many RPCs have ended so in this process."""
    return REGISTRY.get_sample_value(f"{name}_count", {"rpc": rpc, "code": code}) or 0


async def _now(is_so: bool) -> bool:
    return is_so


def test_a_port_that_is_taken_ends_the_process_with_a_line_that_names_the_setting(capsys: Any) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(SystemExit),
        exposition.answering("127.0.0.1", taken.getsockname()[1]),
    ):
        pass
    assert capsys.readouterr().err.startswith("METRICS_PORT: 127.0.0.1:")


def test_words_are_bounded_and_texts_are_none() -> None:
    words = Words(most=2)
    given = ["SLOT_TAKEN", "pi_1_secret_x", "", "TOO_SOON", "STUDENT_BUSY", "SLOT_TAKEN"]
    assert [words.label(word) for word in given] == ["SLOT_TAKEN", OTHER, OTHER, "TOO_SOON", OTHER, "SLOT_TAKEN"]


@pytest.mark.parametrize("sign", ["/", ""])
def test_an_rpc_is_named_without_its_package(sign: str) -> None:
    assert short(f"{sign}tutormesh.booking.v1.BookingService/GetBooking") == "BookingService/GetBooking"
