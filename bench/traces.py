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
from bench.mesh import run_mesh

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
STUDENTS, LESSONS, ROUNDS = 8, 60, 5
#: What is no part of the product.
_NOT_OURS = ("sandbox", "launcher")


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


async def compare() -> str:
    """The report: medians of the rounds, and their ratio."""
    off: list[Batch] = []
    on: list[Batch] = []
    async with contextlib.AsyncExitStack() as stack:
        collector, endpoint = await stack.enter_async_context(open_collector())
        sides = []
        for batches, settings in (
            (off, {"OTEL_SDK_DISABLED": "true"}),
            (on, {"OTEL_SDK_DISABLED": "", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}),
        ):
            mesh = await stack.enter_async_context(run_mesh(**settings))
            shop = await stack.enter_async_context(lessons.open_shop(mesh.layout))
            students = [await stack.enter_async_context(shop.student()) for _ in range(STUDENTS)]
            await sell(students, STUDENTS, [])  # warm
            sides.append((mesh, students, batches))
        for turn in range(ROUNDS):
            for mesh, students, batches in sides if turn % 2 else reversed(sides):
                batches.append(await measure(mesh, [], sell(students, LESSONS, [])))
    without, traced = (median(map(_milliseconds, batches)) for batches in (off, on))
    return (
        f"CPU of a lesson, sandbox and launcher left out, {ROUNDS} rounds of {LESSONS} at {STUDENTS} students\n"
        f"  without traces {without:.1f} ms, with traces {traced:.1f} ms, x{traced / without:.3f};"
        f" {collector.spans} spans were sent"
    )


def _milliseconds(batch: Batch) -> float:
    """The CPU of the product's processes a lesson."""
    return 1000 * sum(seconds for name, seconds in batch.mesh.items() if name not in _NOT_OURS) / batch.count
