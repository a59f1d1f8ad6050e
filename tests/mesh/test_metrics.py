"""The metrics port: bound or named, closed to slow clients, absent without its setting; and labels that are bounded."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import httpx
import pytest

from mesh.metrics import exposition
from mesh.metrics.registry import OTHER, Words
from mesh.settings import ServiceSettings
from mesh.tracing import short

METRICS = "http://127.0.0.1:{}/metrics"


def settings(auth: dict[str, Any], **given: Any) -> ServiceSettings:
    return ServiceSettings(_env_file=None, port=0, **auth, **given)


async def test_without_the_setting_nothing_is_served_measured_or_read(auth_settings: dict[str, Any]) -> None:
    threads, tasks = threading.active_count(), len(asyncio.all_tasks())

    async def refresh() -> None:
        raise AssertionError("it is read")

    async with exposition.serving(settings(auth_settings), "x", refresh=refresh):
        await asyncio.sleep(0)
        assert (threading.active_count(), len(asyncio.all_tasks())) == (threads, tasks)


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
