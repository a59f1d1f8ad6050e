"""Traces: spans of what this process does, told to a collector by OTLP, or to a file of this machine.

Nothing is traced, and nothing of OpenTelemetry is imported, until `configure` finds a place to send spans to. A span has
names, codes and the ids of what the call is about (mesh.about). It never has a value, a text of a person or a secret.
Context travels between processes as W3C `traceparent` (W3C: Trace Context, 3.2).
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mesh.tracing.spans import Kind, Spans

#: The metadata and header that carries a context.
TRACEPARENT = "traceparent"
#: Before the names of ids, on every span.
PREFIX = "tutormesh."

Value = str | int | float | bool

_spans: Spans | None = None
_NO_SPAN: AbstractContextManager[None] = contextlib.nullcontext()


def configure(service: str, environment: Mapping[str, str]) -> None:
    """Trace this process when the standard OTEL_* settings name a collector, or TRACES_FILE names a file.

    `environment` has the settings. A process is configured once. It ends here, with one line, for a setting that is wrong.
    """
    global _spans
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    file = environment.get("TRACES_FILE", "")
    try:
        collector = _has_collector(environment)
    except ValueError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    if not (file or collector):
        return
    for name, value in environment.items():
        if name.startswith("OTEL_"):
            os.environ.setdefault(name, value)  # OpenTelemetry reads the environment, and a setting may be in `.env`
    from mesh.tracing import exporting, spans

    _spans = spans.Spans(exporting.open_tracer(service, Path(file) if file else None, collector=collector))


def names_a_collector(environment: Mapping[str, str]) -> bool:
    """True when the standard settings want spans to be sent, whether rightly or not."""
    exporter = environment.get("OTEL_TRACES_EXPORTER", "")
    names = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return exporter != "none" and (bool(exporter) or any(environment.get(name) for name in names))


def _has_collector(environment: Mapping[str, str]) -> bool:
    """True when the standard settings ask for traces by OTLP (OpenTelemetry: environment variable specification)."""
    exporter = environment.get("OTEL_TRACES_EXPORTER", "")
    if exporter not in ("", "otlp", "none"):
        raise ValueError("OTEL_TRACES_EXPORTER: only otlp and none are known here")
    if not names_a_collector(environment):
        return False
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if environment.get(name, "grpc") not in ("", "grpc"):
            raise ValueError(f"{name}: only grpc is spoken here")
    _check_share(environment.get("OTEL_TRACES_SAMPLER_ARG") or "0")
    return True


def _check_share(text: str) -> None:
    """Raises ValueError unless this is a number from 0 to 1."""
    try:
        is_share = 0 <= float(text) <= 1
    except ValueError:
        is_share = False
    if not is_share:
        raise ValueError(f"OTEL_TRACES_SAMPLER_ARG: {text!r} is no number from 0 to 1")


def short(rpc: str) -> str:
    """The name of an RPC in spans and metrics: Service/Method, without the package."""
    return rpc.rpartition(".")[2]


def is_on() -> bool:
    return _spans is not None


def is_recording() -> bool:
    """True inside of a span that is kept."""
    return _spans is not None and _spans.is_recording()


def span(
    name: str,
    kind: Kind = "internal",
    attributes: Mapping[str, Value] | None = None,
    *,
    parent: str = "",
    links: Sequence[str] = (),
    answers: tuple[type[BaseException], ...] = (),
) -> AbstractContextManager[None]:
    """Within this block, work is a span of this name. An error that leaves it is told by its type alone.

    `parent` and `links` are traceparents; invalid ones are ignored. Without a parent, the span that is open here is it.
    Exceptions of the types in `answers` are no errors.
    """
    if _spans is None:
        return _NO_SPAN
    return _spans.span(name, kind, attributes, parent, links, answers)


def link(traceparent: str) -> None:
    """Link the open span to another trace, unless it is its own."""
    if _spans is not None:
        _spans.link(traceparent)


def mark(name: str, value: Value) -> None:
    """Set an attribute of the open span."""
    if _spans is not None:
        _spans.mark(name, value)


def rename(name: str) -> None:
    """Give the open span another name, now that it is known."""
    if _spans is not None:
        _spans.rename(name)


def fail(error: BaseException) -> None:
    """Mark the open span as failed by this error, of which it tells the type alone."""
    if _spans is not None:
        _spans.fail(error)


def traceparent() -> str:
    """The open span, for the callee or for a row; empty when there is none."""
    return "" if _spans is None else _spans.traceparent()


def trace_id() -> str:
    """The id of the trace that is open here, for log lines; empty when there is none."""
    return traceparent()[3:35]
