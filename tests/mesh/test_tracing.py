"""Traces: what a span tells, and that nobody pays for a collector that is away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bench.traces import open_collector
from devkit.layout import HOST
from mesh import calls, tracing
from mesh.channels import connect, messages
from tests.conftest import FixedToken
from tests.mesh.conftest import bookings, wait_until
from tests.traced import traced
from tutormesh.booking.v1 import booking_pb2, booking_pb2_grpc

#: Spans, two at a time, beyond what waits in the queue.
MANY = 2500
#: Traces some work, as a service would, and prints how long it took.
WORK = """
import sys, time
from mesh import calls, tracing
tracing.configure("worker", dict(setting.split("=", 1) for setting in sys.argv[2:]))
began = time.process_time()
with calls.entered(calls.Call("r1", ids={"booking_id": "b1"})):
    for _ in range(int(sys.argv[1])):
        try:
            with tracing.span("outer", "server", parent="00-" + "a" * 32 + "-" + "b" * 16 + "-01"):
                with tracing.span("inner", links=["00-" + "c" * 32 + "-" + "d" * 16 + "-01", "nonsense"]):
                    raise ValueError("of a person, secret")
        except ValueError:
            pass
print(time.process_time() - began, "opentelemetry" in sys.modules)
"""


def work(*settings: str, times: int = 1) -> tuple[float, bool, float]:
    """Processor seconds of the work, whether OpenTelemetry was imported, and seconds until the process had ended."""
    began = time.monotonic()
    command = [sys.executable, "-c", WORK, str(times), *settings]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    seconds, imported = ended.stdout.split()
    return float(seconds), imported == "True", time.monotonic() - began


def read(file: Path) -> list[dict[str, object]]:
    batches = [json.loads(line) for line in file.read_text().splitlines()]
    return [span for batch in batches for span in batch["resourceSpans"][0]["scopeSpans"][0]["spans"]]


def test_without_a_setting_nothing_is_traced_and_opentelemetry_is_not_imported() -> None:
    _, imported, _ = work()
    assert not imported


def test_a_span_has_its_parent_its_links_and_the_ids_of_the_call_but_no_words_of_an_error(tmp_path: Path) -> None:
    file = tmp_path / "traces" / "worker.jsonl"
    work(f"TRACES_FILE={file}")
    inner, outer = read(file)[:2]
    assert (inner["name"], outer["name"]) == ("inner", "outer")
    assert inner["traceId"] == outer["traceId"] == "a" * 32
    assert (inner["parentSpanId"], outer["parentSpanId"]) == (outer["spanId"], "b" * 16)
    assert [link["traceId"] for link in inner["links"]] == ["c" * 32]  # type: ignore[attr-defined]
    told = {one["key"]: one["value"]["stringValue"] for one in inner["attributes"]}  # type: ignore[attr-defined]
    assert told == {"error.type": "ValueError", "tutormesh.booking_id": "b1"}
    assert "secret" not in file.read_text()


async def test_a_stream_is_a_span_at_both_ends_until_it_has_ended(start_server: Any, token: Any) -> None:
    left = asyncio.Event()
    server = await start_server(bookings(left.wait))
    own = FixedToken("bff", token("service", service="bff"))
    with traced() as kept:
        async with connect(f"127.0.0.1:{server.port}", own) as channel:
            request = booking_pb2.WatchBookingRequest(booking_id="b1")
            with calls.entered(calls.Call("r1")), tracing.span("subscription"):
                stream = messages(booking_pb2_grpc.BookingServiceStub(channel).WatchBooking(request, timeout=5))
                await anext(stream)
            assert [span.name for span in kept.all()] == ["subscription"]
            left.set()
            assert [one async for one in stream] == []
            await wait_until(lambda: _now(len(kept.all()) == 3))
    by_kind = {span.kind.name: span for span in kept.all()}
    client, served = by_kind["CLIENT"], by_kind["SERVER"]
    assert served.parent.span_id == client.context.span_id
    assert client.parent.span_id == by_kind["INTERNAL"].context.span_id
    for span in (client, served):
        told = dict(span.attributes)
        assert (span.name, span.status.is_ok or span.status.is_unset) == ("BookingService/WatchBooking", True)
        assert (told["rpc.response.status_code"], told["tutormesh.booking_id"]) == ("OK", "b1")


async def _now(is_so: bool) -> bool:
    return is_so


async def test_a_collector_that_takes_nothing_costs_neither_the_work_nor_the_end_of_the_process(tmp_path: Path) -> None:
    """There are more spans than the queue holds. To a file they cost as much, without an exporter's retries."""
    hows, settings = ("away", "silent", "slow", "full"), "OTEL_TRACES_SAMPLER=always_on"
    async with contextlib.AsyncExitStack() as stack:
        places = [
            f"OTEL_EXPORTER_OTLP_ENDPOINT={await stack.enter_async_context(broken_collector(how))}" for how in hows
        ]
        runs = [asyncio.to_thread(work, place, settings, times=MANY) for place in places]
        alone, *costs = await asyncio.gather(
            asyncio.to_thread(work, f"TRACES_FILE={tmp_path / 'spans'}", times=MANY), *runs
        )
    for how, (seconds, imported, lasted) in zip(hows, costs, strict=True):
        assert imported and seconds < 2 * alone[0] + 0.2, how
        assert lasted < alone[2] + 10, how  # gRPC alone would wait for half a minute


@contextlib.asynccontextmanager
async def broken_collector(how: str) -> AsyncIterator[str]:
    """The endpoint of a collector that is away, never says a word, takes a minute for each batch, or takes none."""
    if how in ("away", "silent"):
        with socket.create_server((HOST, 0)) as silent:
            port = silent.getsockname()[1]
            if how == "away":
                silent.close()
            yield f"http://{HOST}:{port}"
        return
    async with open_collector() as (collector, endpoint):
        collector.answers_after, collector.is_full = (60.0, False) if how == "slow" else (0.0, True)
        yield endpoint


async def test_spans_reach_a_collector() -> None:
    async with open_collector() as (collector, endpoint):
        settings = (f"OTEL_EXPORTER_OTLP_ENDPOINT={endpoint}", "OTEL_TRACES_SAMPLER=always_on")
        await asyncio.to_thread(work, *settings, times=5)
        assert collector.spans == 10


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL=http/json", "only grpc is spoken here"),
        ("OTEL_TRACES_SAMPLER_ARG=5%", "'5%' is no number from 0 to 1"),
        ("OTEL_TRACES_EXPORTER=zipkin", "only otlp and none are known here"),
    ],
)
def test_a_setting_that_is_wrong_ends_the_process_and_is_named(
    setting: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name, value = setting.split("=")
    with pytest.raises(SystemExit) as ended:
        tracing.configure("worker", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", name: value})
    assert (ended.value.code, capsys.readouterr().err) == (2, f"{name}: {words}\n")


@pytest.mark.parametrize(
    ("settings", "is_wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),  # to the usual place, http://localhost:4317
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_the_standard_settings_say_whether_spans_are_sent(settings: dict[str, str], is_wanted: bool) -> None:
    assert tracing.names_a_collector(settings) == is_wanted


def test_what_the_standard_settings_say_comes_before_our_own_values(tmp_path: Path) -> None:
    file = tmp_path / "spans"
    work(f"TRACES_FILE={file}", "OTEL_SERVICE_NAME=till", "OTEL_SPAN_LINK_COUNT_LIMIT=0")
    (resource,) = json.loads(file.read_text().splitlines()[0])["resourceSpans"]
    told = {one["key"]: one["value"]["stringValue"] for one in resource["resource"]["attributes"]}
    assert (told["service.name"], "service.instance.id" in told) == ("till", True)
    assert not any(span.get("links") for span in read(file))


def test_a_file_of_spans_is_replaced_when_it_is_full(tmp_path: Path) -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    from mesh.tracing import exporting

    file = tmp_path / "small.jsonl"
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporting.FileExporter(file, most_bytes=2000)))
    for _ in range(100):
        with provider.get_tracer("test").start_as_current_span("one"):
            pass
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) < 3 * 2000
    assert {each.name for each in tmp_path.iterdir()} == {"small.jsonl", "small.jsonl.1"}
