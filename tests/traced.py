"""Traces of code that runs in the test's own process, and what a span may tell at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mesh import about, tracing
from mesh.tracing import spans

#: All that a span may tell: names, codes and ids.
ATTRIBUTES = {
    f"tutormesh.{name}" for name in (*about.NAMES, "caller", "reason", "errors", "next_state", "message_type")
}
ATTRIBUTES |= {"db.system.name", "db.namespace", "db.query.text", "error.type"}
ATTRIBUTES |= {"rpc.response.status_code", "http.response.status_code"}


class Traced:
    """The spans that have ended so far."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def all(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def named(self, name: str, **about: str) -> list[ReadableSpan]:
        """Those with this name, about these ids (`saga_id=…`)."""
        wanted = {f"tutormesh.{key}": value for key, value in about.items()}.items()
        return [span for span in self.all() if span.name == name and wanted <= (span.attributes or {}).items()]


@contextlib.contextmanager
def traced() -> Iterator[Traced]:
    """Within, every span of this process is kept."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tracing, "_spans", spans.Spans(provider.get_tracer("test")))
        yield Traced(exporter)


def traces_linked(span: ReadableSpan) -> set[int]:
    """The ids of the traces to which a span is linked."""
    return {link.context.trace_id for link in span.links}


def trace_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.trace_id


def open_name() -> str | None:
    """The name of the span that is open here; None when none is kept."""
    here = spans._here.get()
    return None if here is None or here.span is None else str(here.span.name)  # type: ignore[attr-defined]
