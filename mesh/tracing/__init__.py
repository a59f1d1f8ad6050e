"""Traces: spans of what this process does, told to a collector by OTLP, or to a file of this machine.

Nothing is traced, and nothing of OpenTelemetry is imported, until `configure` finds a place to send spans to. A span has
names, codes and the ids of what the call is about (mesh.about). It never has a value, a text of a person or a secret.
Context travels between processes as W3C `traceparent` (W3C: Trace Context, 3.2).
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mesh import calls

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer

Kind = Literal["internal", "server", "client", "producer", "consumer"]

#: The metadata and header that carries a context, and its form.
TRACEPARENT = "traceparent"
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
#: Before the names of ids, on every span.
PREFIX = "tutormesh."

_tracer: Tracer | None = None


def configure(service: str, environment: Mapping[str, str]) -> None:
    """Trace this process when the standard OTEL_* settings name a collector, or TRACES_FILE names a file.

    `environment` has the settings. A process is configured once. It ends here, with one line, for a setting that is wrong.
    """
    global _tracer
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
    from mesh.tracing import exporting

    _tracer = exporting.open_tracer(service, Path(file) if file else None, collector=collector)


def _has_collector(environment: Mapping[str, str]) -> bool:
    """True when the standard settings ask for traces by OTLP (OpenTelemetry: environment variable specification)."""
    if environment.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    names = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    if not any(environment.get(name) for name in names):
        return False
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if environment.get(name, "grpc") not in ("", "grpc"):
            raise ValueError(f"{name}: only grpc is spoken here")
    return True


def short(rpc: str) -> str:
    """The name of an RPC's span: Service/Method, without the package."""
    return rpc.rpartition(".")[2]


def is_on() -> bool:
    return _tracer is not None


@contextlib.contextmanager
def span(
    name: str,
    kind: Kind = "internal",
    attributes: Mapping[str, str | int | float | bool] | None = None,
    *,
    parent: str = "",
    links: Sequence[str] = (),
    answers: tuple[type[BaseException], ...] = (),
) -> Iterator[None]:
    """Within this block, work is a span of this name. An error that leaves it is told by its type alone.

    `parent` and `links` are traceparents; what is none is left out. Without a parent, the span that is open here is it.
    Exceptions of the types in `answers` are no errors.
    """
    if _tracer is None:
        yield
        return
    from opentelemetry import trace

    began = _tracer.start_span(
        name,
        _context_of(parent) if parent else None,
        trace.SpanKind[kind.upper()],
        dict(attributes or {}),
        [trace.Link(linked) for text in links if (linked := _read(text)) is not None],
    )
    with trace.use_span(began, end_on_exit=False, record_exception=False, set_status_on_exception=False):
        try:
            yield
        except answers:
            raise
        except BaseException as error:
            fail(error)
            raise
        finally:
            began.set_attributes({f"{PREFIX}{name}": text for name, text in calls.current().ids.items()})
            began.end()


@contextlib.contextmanager
def detached() -> Iterator[None]:
    """Within this block no span is open: what begins here is a trace of its own."""
    if _tracer is None:
        yield
        return
    from opentelemetry import context

    token = context.attach(context.Context())
    try:
        yield
    finally:
        context.detach(token)


def link(traceparent: str) -> None:
    """Link the open span to another trace, unless it is its own."""
    if _tracer is None:
        return
    from opentelemetry import trace

    open_span, other = trace.get_current_span(), _read(traceparent)
    if other is not None and other.trace_id != open_span.get_span_context().trace_id:
        open_span.add_link(other)


def mark(name: str, value: str | int | float | bool) -> None:
    """Set an attribute of the open span."""
    if _tracer is not None:
        from opentelemetry import trace

        trace.get_current_span().set_attribute(name, value)


def rename(name: str) -> None:
    """Give the open span another name, now that it is known."""
    if _tracer is not None:
        from opentelemetry import trace

        trace.get_current_span().update_name(name)


def fail(error: BaseException) -> None:
    """Mark the open span as failed by this error, of which it tells the type alone."""
    if _tracer is not None:
        from opentelemetry import trace

        open_span = trace.get_current_span()
        open_span.set_attribute("error.type", type(error).__name__)
        open_span.set_status(trace.StatusCode.ERROR)


def traceparent() -> str:
    """The open span, for the callee or for a row; empty when there is none."""
    if _tracer is None:
        return ""
    from opentelemetry import trace

    here = trace.get_current_span().get_span_context()
    return f"00-{here.trace_id:032x}-{here.span_id:016x}-{here.trace_flags:02x}" if here.is_valid else ""


def trace_id() -> str:
    """The id of the trace that is open here, for log lines; empty when there is none."""
    return traceparent()[3:35]


def _read(traceparent: str) -> Any:
    """The context of a span that somebody else named; None for what is no traceparent."""
    from opentelemetry import trace

    if not _TRACEPARENT.fullmatch(traceparent):
        return None
    _, trace_id, span_id, flags = traceparent.split("-")
    read = trace.SpanContext(int(trace_id, 16), int(span_id, 16), True, trace.TraceFlags(int(flags, 16)))
    return read if read.is_valid else None


def _context_of(traceparent: str) -> Context | None:
    from opentelemetry import trace

    read = _read(traceparent)
    return None if read is None else trace.set_span_in_context(trace.NonRecordingSpan(read))
