"""Where spans go: to a collector by OTLP over gRPC, and to a file in OTLP's JSON lines. Both are bounded.

A collector that is away, slow or full costs spans, never a call: they wait in a queue of fixed size, and what does not fit
is dropped.
"""

from __future__ import annotations

import atexit
import base64
import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio, Sampler
from opentelemetry.trace import Tracer

#: The share of traces that is kept when OTEL_TRACES_SAMPLER says nothing. Without a collector, all are kept.
DEFAULT_RATIO = 0.05
#: Spans that wait to be sent, and seconds until a collector and a file get them.
QUEUE, SEND_SECONDS, FILE_SECONDS = 4096, 5.0, 1.0
#: Seconds that a collector has to take spans.
COLLECTOR_SECONDS = 5.0
#: When a file is this large it becomes `<name>.1`, and the one before it is deleted.
FILE_BYTES = 16 * 1024 * 1024
_IDS = ("traceId", "spanId", "parentSpanId")
T = TypeVar("T")


def open_tracer(service: str, file: Path | None, *, collector: bool) -> Tracer:
    """The tracer of this process. Its spans are sent in the background, and once more when the process ends."""
    own = Resource.create({"service.name": service, "service.instance.id": str(os.getpid())})
    provider = TracerProvider(
        sampler=_default_sampler() if collector and not os.environ.get("OTEL_TRACES_SAMPLER") else None,
        resource=own.merge(OTELResourceDetector().detect()),  # what OTEL_SERVICE_NAME and the like say comes first
        shutdown_on_exit=False,
        span_limits=SpanLimits(
            max_span_attributes=_unless_set(32, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"),
            max_events=_unless_set(8, "OTEL_SPAN_EVENT_COUNT_LIMIT"),
            max_links=_unless_set(8, "OTEL_SPAN_LINK_COUNT_LIMIT"),
            max_attribute_length=_unless_set(2048, "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
        ),
    )
    queue = _unless_set(QUEUE, "OTEL_BSP_MAX_QUEUE_SIZE")
    if file is not None:
        provider.add_span_processor(
            BatchSpanProcessor(FileExporter(file), max_queue_size=queue, schedule_delay_millis=1000 * FILE_SECONDS)
        )
    if collector:
        delay = _unless_set(1000 * SEND_SECONDS, "OTEL_BSP_SCHEDULE_DELAY")
        provider.add_span_processor(
            BatchSpanProcessor(_open_collector(), max_queue_size=queue, schedule_delay_millis=delay)
        )
    atexit.register(_shut_down, provider)
    return provider.get_tracer("tutormesh")


def _open_collector() -> SpanExporter:
    # Its import takes long, and only who has a collector needs it.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    seconds = _unless_set(COLLECTOR_SECONDS, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
    # It logs each batch that a collector does not take. Seldom is enough to know.
    logging.getLogger("opentelemetry.exporter.otlp.proto.grpc.exporter").addFilter(_Seldom())
    return OTLPSpanExporter(timeout=seconds)


def _unless_set(ours: T, *names: str) -> T | None:
    """Our own value; None where one of these settings has another, which OpenTelemetry then reads itself."""
    return None if any(os.environ.get(name) for name in names) else ours


def _default_sampler() -> Sampler:
    """Keeps a share of the traces, and those whose caller keeps them."""
    return ParentBasedTraceIdRatio(float(os.environ.get("OTEL_TRACES_SAMPLER_ARG") or DEFAULT_RATIO))


def _shut_down(provider: TracerProvider) -> None:
    """Send what waits. A collector that is away does not hold up the end of a process for longer than a second."""
    last = threading.Thread(target=provider.shutdown, daemon=True)
    last.start()
    last.join(1.0)


class FileExporter(SpanExporter):
    """Appends spans to a file, a JSON line for each batch (OpenTelemetry: OTLP file exporter)."""

    def __init__(self, path: Path, most_bytes: int = FILE_BYTES) -> None:
        self._path, self._most_bytes = path, most_bytes
        path.parent.mkdir(parents=True, exist_ok=True)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        line = json.dumps(_with_hex_ids(MessageToDict(encode_spans(spans))), separators=(",", ":"))
        try:
            with self._path.open("a", encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # replicas of a service share a file
                file.write(line + "\n")
                if file.tell() > self._most_bytes and self._path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                    self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        except OSError:  # the disk is full, or the folder is gone
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing is kept open."""


def _with_hex_ids(value: Any) -> Any:
    """The same with ids in hexadecimal, as OTLP's JSON has them; protobuf's has base64."""
    if isinstance(value, list):
        return [_with_hex_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: base64.b64decode(item).hex() if name in _IDS else _with_hex_ids(item) for name, item in value.items()}


class _Seldom(logging.Filter):
    """One line in ten minutes."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0.0

    def filter(self, _: logging.LogRecord) -> bool:
        now = time.monotonic()
        is_due = now >= self._next
        if is_due:
            self._next = now + 600
        return is_due
