"""Spans of a process that is traced. `mesh.tracing` has the functions that code calls, traced or not.

Most traces are not kept. Such a trace costs next to nothing: its `traceparent` is a text that is handed on, and it has no
spans here.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Literal

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from mesh import calls

Kind = Literal["internal", "server", "client", "producer", "consumer"]
_KINDS = {kind.name.lower(): kind for kind in SpanKind}
#: The name of a span (W3C: Trace Context, 3.2). Ids of zeros are none.
_is_valid = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII).fullmatch
_NOTHING: AbstractContextManager[None] = contextlib.nullcontext()
_NOWHERE = Context()


class _Here:
    """A span that is open: `span` when it is kept, else None. `traceparent` is its name for others."""

    __slots__ = ("span", "traceparent")

    def __init__(self, span: Span | None, traceparent: str) -> None:
        self.span, self.traceparent = span, traceparent


_here: ContextVar[_Here | None] = ContextVar("span", default=None)


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
        if parent and _is_valid(parent):
            if not _is_sampled(parent):
                return _Block(_Here(None, parent))
            above = set_span_in_context(NonRecordingSpan(_read(parent)), _NOWHERE)
        elif (here := _here.get()) is None:
            above = _NOWHERE
        elif here.span is None:  # nobody keeps this trace, also when its span has ended: its work may go on
            return _NOTHING
        else:
            above = set_span_in_context(here.span, _NOWHERE)
        linked = [Link(_read(text)) for text in links if _is_valid(text)]
        span = self._tracer.start_span(name, above, _KINDS[kind], attributes, linked)
        return _Block(_Here(span if span.is_recording() else None, _write(span.get_span_context())), answers)

    def is_recording(self) -> bool:
        here = _here.get()
        return here is not None and here.span is not None

    def link(self, traceparent: str) -> None:
        span = _kept()
        if span is not None and _is_valid(traceparent):
            other = _read(traceparent)
            if other.trace_id != span.get_span_context().trace_id:
                span.add_link(other)

    def mark(self, name: str, value: str | int | float | bool) -> None:
        if (span := _kept()) is not None:
            span.set_attribute(name, value)

    def rename(self, name: str) -> None:
        if (span := _kept()) is not None:
            span.update_name(name)

    def fail(self, error: BaseException) -> None:
        if (span := _kept()) is not None:
            _fail(span, error)

    def traceparent(self) -> str:
        here = _here.get()
        return "" if here is None else here.traceparent


class _Block:
    """Within, this span is the open one. It ends with the block."""

    __slots__ = ("_answers", "_before", "_here")
    _before: Token[_Here | None]

    def __init__(self, here: _Here, answers: tuple[type[BaseException], ...] = ()) -> None:
        self._here, self._answers = here, answers

    def __enter__(self) -> None:
        self._before = _here.set(self._here)

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        span = self._here.span
        if span is not None:
            if error is not None and not isinstance(error, self._answers):
                _fail(span, error)
            span.set_attributes({f"tutormesh.{name}": text for name, text in calls.current().ids.items()})
            span.end()
        try:
            _here.reset(self._before)
        except ValueError:  # a generator is closed in another context, and this one is gone
            return


def _kept() -> Span | None:
    here = _here.get()
    return None if here is None else here.span


def _fail(span: Span, error: BaseException) -> None:
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(StatusCode.ERROR)


def _is_sampled(traceparent: str) -> bool:
    return bool(int(traceparent[-2:], 16) & TraceFlags.SAMPLED)


def _read(traceparent: str) -> SpanContext:
    """The context of a span that somebody else named."""
    trace_id, span_id, flags = (int(part, 16) for part in traceparent[3:].split("-"))
    return SpanContext(trace_id, span_id, True, TraceFlags(flags))


def _write(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
