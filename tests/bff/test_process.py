"""The edge as a process: it starts with its settings, names a missing one, and stops gently."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from bff import __main__ as program
from bff.http.server import listen
from bff.settings import Settings
from tests.bff.live import listening as listening_to
from tutormesh.booking.v1 import booking_pb2

ROOT = Path(program.__file__).parents[1]


@pytest.fixture
def environment(edge_settings: Settings) -> dict[str, str]:
    told = edge_settings.model_dump(include={"auth_issuer", "auth_audience", "auth_jwks_url", "service_token_file"})
    addresses = {name: value for name, value in edge_settings.model_dump().items() if name.endswith("_address")}
    return {
        name.upper(): str(value)
        for name, value in {
            **told,
            **addresses,
            "port": 0,
            "drain_delay_seconds": 0.5,
            "log_format": "json",
            "stripe_publishable_key": "pk_test_1",
        }.items()
    }


async def start(environment: dict[str, str], folder: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bff"),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'generated'}", **environment},
        cwd=folder,  # no .env there
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def line(process: asyncio.subprocess.Process, containing: str) -> str:
    assert process.stdout
    async with asyncio.timeout(10):
        async for raw in process.stdout:
            if containing in raw.decode():
                return raw.decode()
    raise AssertionError(f"it ended without saying {containing}")


@pytest_asyncio.fixture
async def running(
    environment: dict[str, str], tmp_path: Path, script: Any
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    process = await start(environment, tmp_path)
    port = re.search(r'"port": (\d+)', await line(process, "serving"))
    assert port
    yield process, f"http://127.0.0.1:{port[1]}"
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def test_it_serves_and_stops_on_sigterm_with_a_connection_open(
    running: Any, student: Any, lesson: Any, script: Any
) -> None:
    process, url = running
    script.answers = lesson.answers()
    async with httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/readyz")).status_code == 200
        body = {"query": "query($id: ID!) { booking(id: $id) { status } }", "variables": {"id": lesson.booking_id}}
        answer = await client.post("/graphql", json=body, headers=student.headers())
        assert answer.json() == {"data": {"booking": {"status": "CONFIRMED"}}}
        assert "server" not in answer.headers
        process.send_signal(signal.SIGTERM)  # the client's connection is still open
        assert await asyncio.wait_for(process.wait(), 15) == 0


async def test_68_its_websockets_are_closed_with_going_away_when_it_stops(
    running: Any, student: Any, lesson: Any, script: Any
) -> None:
    process, url = running
    left = asyncio.Event()

    async def watch(_: object) -> AsyncIterator[Any]:
        async def changes() -> AsyncIterator[Any]:
            try:
                yield booking_pb2.WatchBookingResponse(booking=lesson.booking())
                await asyncio.Event().wait()
            finally:
                left.set()

        return changes()

    script.answers["WatchBooking"] = watch
    async with listening_to(url.removeprefix("http://"), student.token) as listener:
        await listener.subscribe(lesson.booking_id)
        assert await listener.status() == "CONFIRMED"
        process.send_signal(signal.SIGTERM)
        assert (await listener.closed())[0] == 1001  # RFC 6455, 7.4.1: going away
        assert await asyncio.wait_for(process.wait(), 5) == 0
    await asyncio.wait_for(left.wait(), 5)


def answer_slowly(script: Any, lesson: Any) -> tuple[asyncio.Event, asyncio.Event]:
    """booking_svc answers once the second event is set; the first tells that it was asked."""
    reached, answer_now = asyncio.Event(), asyncio.Event()

    async def answer(_: object) -> Any:
        reached.set()
        await answer_now.wait()
        return lesson.bookings()

    script.answers["BatchGetBookings"] = answer
    return reached, answer_now


async def test_68_an_operation_of_a_websocket_is_answered_before_it_goes_away(
    running: Any, student: Any, lesson: Any, script: Any
) -> None:
    process, url = running
    reached, answer_now = answer_slowly(script, lesson)
    query = "query($id: ID!) { booking(id: $id) { id status } }"
    async with listening_to(url.removeprefix("http://"), student.token) as listener:
        await listener.subscribe(lesson.booking_id, query=query)
        await asyncio.wait_for(reached.wait(), 5)
        process.send_signal(signal.SIGTERM)
        await until_refused(url)
        answer_now.set()
        assert await listener.status() == "CONFIRMED"
        assert await listener.heard() == {"type": "complete", "id": "1"}
        assert (await listener.closed())[0] == 1001
    assert await asyncio.wait_for(process.wait(), 5) == 0


async def test_68_while_it_drains_it_answers_and_sends_its_clients_elsewhere(
    running: Any, student: Any, lesson: Any, script: Any
) -> None:
    """Every request on a kept connection is answered, and so is a new connection's, until the port is closed.

    The kernel takes connections for the port until it closes, and resets those that the process has not seen by then.
    """
    process, url = running
    script.answers = lesson.answers()
    body = {"query": f'{{ booking(id: "{lesson.booking_id}") {{ status }} }}'}
    async with httpx.AsyncClient(base_url=url) as client:
        answer = await client.post("/graphql", json=body, headers=student.headers())
        assert "connection" not in answer.headers
        process.send_signal(signal.SIGTERM)
        while (ready := await client.get("/readyz")).status_code == 200:
            assert "connection" not in ready.headers
        assert ready.json() == {"ready": False, "services": ready.json()["services"], "draining": True}
        drained = 0
        with contextlib.suppress(httpx.ConnectError):
            while True:
                try:
                    answer = await client.post("/graphql", json=body, headers=student.headers())
                except httpx.ReadError:
                    await client.get("/readyz")  # refused: the port is closed now
                    raise
                assert answer.json() == {"data": {"booking": {"status": "CONFIRMED"}}}
                assert answer.headers["connection"] == "close"
                drained += 1
        assert drained > 2


async def test_a_new_connection_is_answered_while_the_server_stops(running: Any) -> None:
    """Its request arrives when the port is closed already."""
    process, url = running
    reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)  # a second signal ends the drain
    await until_refused(url)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200 ") and b"connection: close" in answer.lower()
    writer.close()
    assert await asyncio.wait_for(process.wait(), 5) == 0


async def test_it_answers_the_publishable_key_of_its_settings(
    running: Any, student: Any, lesson: Any, script: Any
) -> None:
    script.answers = lesson.answers()
    book = f'mutation {{ bookSession(tutorId: "{lesson.tutor}", time: "2030-01-31T09:00:00Z") {{ publishableKey }} }}'
    async with httpx.AsyncClient(base_url=running[1]) as client:
        answer = await client.post("/graphql", json={"query": book}, headers=student.headers())
    assert answer.json() == {"data": {"bookSession": {"publishableKey": "pk_test_1"}}}


async def test_a_running_request_is_answered_before_it_stops(
    running: Any, student: Any, lesson: Any, script: Any
) -> None:
    process, url = running
    reached, answer_now = answer_slowly(script, lesson)
    async with httpx.AsyncClient(base_url=url) as client:
        body = {"query": f'{{ booking(id: "{lesson.booking_id}") {{ status }} }}'}
        asking = asyncio.create_task(client.post("/graphql", json=body, headers=student.headers()))
        await asyncio.wait_for(reached.wait(), 5)
        process.send_signal(signal.SIGTERM)
        await until_refused(url)
        answer_now.set()
        assert (await asking).json() == {"data": {"booking": {"status": "CONFIRMED"}}}
        assert await asyncio.wait_for(process.wait(), 5) == 0


async def until_refused(url: str) -> None:
    """Waits until the port accepts no connection."""
    host, _, port = url.removeprefix("http://").partition(":")
    async with asyncio.timeout(5):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except ConnectionError:
                return
            writer.close()
            await asyncio.sleep(0.02)


async def test_an_answers_body_does_not_wait_for_the_acknowledgement_of_its_header(edge_settings: Settings) -> None:
    accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    with listen(edge_settings) as listener:
        async with await asyncio.start_server(greet, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            assert await asyncio.wait_for(accepted, 5) == 1
            writer.close()
            await writer.wait_closed()


async def test_a_missing_or_malformed_setting_stops_it_by_name(environment: dict[str, str], tmp_path: Path) -> None:
    del environment["SERVICE_TOKEN_FILE"]
    process = await start(environment | {"PAYMENT_ADDRESS": "http://payment"}, tmp_path)
    _, stderr = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 2
    names = [text.partition(":")[0] for text in stderr.decode().splitlines()]
    assert sorted(names) == ["PAYMENT_ADDRESS", "SERVICE_TOKEN_FILE"]


@pytest.fixture
def signals_restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def test_the_whole_program_runs_and_stops_on_sigint(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    signals_restored: None,
    edge_settings: Settings,
) -> None:
    with listen(edge_settings) as free:
        port = free.getsockname()[1]
    for name, value in {**environment, "PORT": str(port), "LOG_FORMAT": "console", "REUSE_PORT": "true"}.items():
        monkeypatch.setenv(name, value)
    running = asyncio.create_task(program.main())
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client, asyncio.timeout(10):
        while True:
            try:
                answer = await client.get("/healthz")
                break
            except httpx.ConnectError:
                await asyncio.sleep(0.02)
    assert answer.status_code == 200
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.wait_for(running, 5)
