"""`make bench ARGS=--traces`: the CPU of a lesson with traces at the default sampling, beside the same without them.

Two meshes run side by side, and their batches alternate. The traced one sends its spans to a collector in this process.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from statistics import median
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from bench import lessons
from bench.batches import Batch, measure, sell
from bench.machine import describe_machine
from bench.mesh import run_mesh
from bench.results_page import Page, table

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
STUDENTS, LESSONS, ROUNDS = 8, 60, 12
#: What is no part of the product.
_NOT_OURS = frozenset(("sandbox", "launcher", "other"))


class Collector:
    """Takes spans and counts them."""

    def __init__(self) -> None:
        self.spans = 0
        #: How a collector behaves that is not well: seconds until it answers, and whether it takes nothing.
        self.answers_after, self.is_full = 0.0, False

    async def Export(
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: Any
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        await asyncio.sleep(self.answers_after)
        if self.is_full:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
        self.spans += sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)
        return trace_service_pb2.ExportTraceServiceResponse()


@contextlib.asynccontextmanager
async def open_collector() -> AsyncIterator[tuple[Collector, str]]:
    """A collector and its endpoint."""
    collector, server = Collector(), grpc.aio.server()
    export: Any = grpc.unary_unary_rpc_method_handler(
        collector.Export,
        request_deserializer=trace_service_pb2.ExportTraceServiceRequest.FromString,
        response_serializer=trace_service_pb2.ExportTraceServiceResponse.SerializeToString,
    )
    server.add_registered_method_handlers(SERVICE, {"Export": export})
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Export": export}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield collector, f"http://127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def compare() -> Page:
    """Measure both meshes in turns."""
    off: list[Batch] = []
    on: list[Batch] = []
    async with contextlib.AsyncExitStack() as stack:
        collector, endpoint = await stack.enter_async_context(open_collector())
        machine, sides = "", []
        for batches, settings in (
            (off, {"OTEL_SDK_DISABLED": "true"}),
            (on, {"OTEL_SDK_DISABLED": "", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}),
        ):
            mesh = await stack.enter_async_context(run_mesh(**settings))
            machine = machine or describe_machine(await mesh.read_postgres_version())
            shop = await stack.enter_async_context(lessons.open_shop(mesh.layout))
            students = [await stack.enter_async_context(shop.student()) for _ in range(STUDENTS)]
            await sell(students, STUDENTS, [])  # warm
            sides.append((mesh, students, batches))
        for turn in range(ROUNDS):
            for mesh, students, batches in sides if turn % 2 else reversed(sides):
                batches.append(await measure(mesh, [], sell(students, LESSONS, [])))
    return make_page(off, on, collector.spans, machine)


def make_page(off: list[Batch], on: list[Batch], spans: int, machine: str) -> Page:
    """The medians of the rounds, and of their ratios: each round compares two batches that ran one after the other."""
    names = sorted({name for batch in off for name in batch.mesh} - _NOT_OURS)
    parts = {"the product": frozenset(names)} | {name: frozenset((name,)) for name in names}
    rows = [_row(title, off, on, chosen) for title, chosen in parts.items()]
    cost = rows[0][-1]
    return Page(
        name="traces",
        title="What traces cost",
        command="make bench ARGS=--traces",
        machine=machine,
        sections=[
            f"A lesson with traces at the default sampling costs **{cost}** of the CPU that it costs without them. "
            f"{spans} spans were sent to a collector.",
            f"Two meshes run side by side. Their batches of {LESSONS} lessons at {STUDENTS} students alternate,"
            f" {len(on)} times.\n"
            "CPU milliseconds a lesson are medians. The ratio is the median of the rounds' ratios.",
            table(("process", "without", "with traces", "ratio"), rows),
        ],
    )


def _row(title: str, off: list[Batch], on: list[Batch], names: frozenset[str]) -> tuple[str, str, str, str]:
    without, traced = ([_milliseconds(batch, names) for batch in batches] for batches in (off, on))
    ratios = [one / other for one, other in zip(traced, without, strict=True) if other]
    ratio = f"{median(ratios):.3f}×" if ratios else "–"
    return title, f"{median(without):.2f}", f"{median(traced):.2f}", ratio


def _milliseconds(batch: Batch, names: frozenset[str]) -> float:
    """The CPU of these processes a lesson."""
    return 1000 * sum(seconds for name, seconds in batch.mesh.items() if name in names) / batch.count
