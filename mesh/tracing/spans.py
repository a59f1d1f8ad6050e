"""Spans of a process that is traced. `mesh.tracing` has the functions that code calls, traced or not."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Literal

from opentelemetry import trace
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, TraceFlags, Tracer

from mesh import calls

Kind = Literal["internal", "server", "client", "producer", "consumer"]
_KINDS = {kind.name.lower(): kind for kind in SpanKind}
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", re.ASCII)
_NOTHING: AbstractContextManager[None] = contextlib.nullcontext()


class Spans:
    """Begins spans, and tells of the one that is open in this context."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def span(
        self,
        name: str,
        kind: Kind,
        attributes: Mapping[str, str | int | float | bool] | None,
        parent: str,
        links: Sequence[str],
        answers: tuple[type[BaseException], ...],
    ) -> AbstractContextManager[None]:
        if parent and (caller := _read(parent)) is not None:
            above: Span = NonRecordingSpan(caller)
            if not caller.trace_flags.sampled:  # nobody keeps this trace; its id is handed on, and no more
                return _inside(above)
        else:
            above = trace.get_current_span()
            context = above.get_span_context()
            if (
                context.is_valid and not context.trace_flags.sampled
            ):  # also of a span that has ended: its work may go on
                return _NOTHING
        linked = [Link(other) for text in links if (other := _read(text)) is not None]
        return _open(
            self._tracer.start_span(name, trace.set_span_in_context(above), _KINDS[kind], attributes, linked), answers
        )

    def is_recording(self) -> bool:
        return trace.get_current_span().is_recording()

    def link(self, traceparent: str) -> None:
        here, other = trace.get_current_span(), _read(traceparent)
        if other is not None and other.trace_id != here.get_span_context().trace_id:
            here.add_link(other)

    def mark(self, name: str, value: str | int | float | bool) -> None:
        trace.get_current_span().set_attribute(name, value)

    def rename(self, name: str) -> None:
        trace.get_current_span().update_name(name)

    def fail(self, error: BaseException) -> None:
        _fail(trace.get_current_span(), error)

    def traceparent(self) -> str:
        here = trace.get_current_span().get_span_context()
        return f"00-{here.trace_id:032x}-{here.span_id:016x}-{here.trace_flags:02x}" if here.is_valid else ""


def _inside(span: Span) -> AbstractContextManager[None]:
    return trace.use_span(span, record_exception=False, set_status_on_exception=False)  # type: ignore[return-value]


@contextlib.contextmanager
def _open(span: Span, answers: tuple[type[BaseException], ...]) -> Iterator[None]:
    with _inside(span):
        try:
            yield
        except answers:
            raise
        except BaseException as error:
            _fail(span, error)
            raise
        finally:
            if span.is_recording():
                span.set_attributes({f"tutormesh.{name}": text for name, text in calls.current().ids.items()})
            span.end()


def _fail(span: Span, error: BaseException) -> None:
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(StatusCode.ERROR)


def _read(traceparent: str) -> SpanContext | None:
    """The context of a span that somebody else named; None for what is no traceparent."""
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in match.groups())
    read = SpanContext(trace_id, span_id, True, TraceFlags(flags))
    return read if read.is_valid else None
