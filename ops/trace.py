"""`tutormesh trace`: what the mesh of this machine did for a booking, as trees of spans.

It reads the files to which `tutormesh up` lets the services append their spans (OpenTelemetry: OTLP file exporter).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ops.cli import Refused, one_line
from ops.environment import read_environment
from ops.own_certificate import load_layout

#: Before the names of ids, on every span (mesh.tracing).
PREFIX = "tutormesh."
#: Traces that are printed, newest last, and spans of each.
MOST_TRACES, MOST_SPANS = 50, 500
ERROR = "STATUS_CODE_ERROR"


@dataclass(frozen=True, slots=True)
class Span:
    """One span of a file. Times are in nanoseconds since 1970."""

    trace: str
    id: str
    parent: str
    service: str
    name: str
    start: int
    end: int
    is_error: bool
    attributes: dict[str, str]
    #: The traces to which it is linked.
    links: frozenset[str]

    def is_about(self, wanted: str) -> bool:
        return any(value == wanted for name, value in self.attributes.items() if name.startswith(PREFIX))


@click.command()
@click.argument("about", metavar="ID")
@click.option("--sql", is_flag=True, help="Show SQL statements, too.")
def trace(about: str, *, sql: bool) -> None:
    """Print the calls about a booking, enrollment, session, saga, payment, intent or trace, as trees."""
    files = sorted(load_layout(read_environment()).data.joinpath("traces").glob("*.jsonl*"))
    traces = find_traces(lambda: read_spans(files), about.strip())
    if not traces:
        raise Refused(f"no span of the mesh's {len(files)} files is about {one_line(about)}")
    for spans in traces[-MOST_TRACES:]:
        shown = [span for span in spans if sql or "db.query.text" not in span.attributes]
        if shown:
            click.echo("\n".join(draw(shown[:MOST_SPANS])) + "\n")


def find_traces(read: Any, wanted: str) -> list[list[Span]]:
    """The traces with a span about `wanted`, and those linked to them, each in order of time. `read` yields all spans."""
    found, linked = set[str](), set[str]()
    for span in read():
        if span.trace == wanted or span.is_about(wanted):
            found.add(span.trace)
            linked |= span.links
    spans: defaultdict[str, list[Span]] = defaultdict(list)
    for span in read():
        if span.trace in found | linked:
            spans[span.trace].append(span)
    return sorted(
        (sorted(each, key=lambda span: span.start) for each in spans.values()), key=lambda each: each[0].start
    )


def draw(spans: Sequence[Span]) -> Iterator[str]:
    """The lines of a trace: the traces that it is linked to; each span under its parent, with its milliseconds and error."""
    ids = {span.id for span in spans}
    children: defaultdict[str, list[Span]] = defaultdict(list)
    for span in spans:
        children[span.parent if span.parent in ids else ""].append(span)
    first = datetime.fromtimestamp(spans[0].start / 1e9, UTC)
    began = sorted(frozenset[str]().union(*(span.links for span in spans)))
    follows = f"  follows {', '.join(began)}" if began else ""
    yield f"trace {spans[0].trace}  {first:%Y-%m-%d %H:%M:%S}Z{follows}"
    yield from _draw(children, "", 1, spans[0].start)


def _draw(children: dict[str, list[Span]], parent: str, depth: int, began: int) -> Iterator[str]:
    for span in children[parent]:
        after, lasted = (span.start - began) / 1e6, (span.end - span.start) / 1e6
        error = f"  ERROR {span.attributes.get('error.type', '')}".rstrip() if span.is_error else ""
        reason = span.attributes.get(f"{PREFIX}reason", "")
        words = one_line(f"{span.service:<13}{'  ' * depth}{span.name}{'  ' + reason if reason else ''}{error}")
        yield f"{after:>9.1f} ms {lasted:>8.1f} ms  {words}"
        if span.id != parent:
            yield from _draw(children, span.id, depth + 1, began)


def read_spans(files: Iterable[Path]) -> Iterator[Span]:
    """The spans of these files. What is no whole line yet is left out."""
    for file in files:
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    batch = json.loads(line)
                except ValueError:
                    continue
                yield from _spans_of(batch)


def _spans_of(batch: Any) -> Iterator[Span]:
    for resource in batch.get("resourceSpans", ()):
        service = _attributes(resource.get("resource", {})).get("service.name", "")
        for scope in resource.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                yield Span(
                    trace=span["traceId"],
                    id=span["spanId"],
                    parent=span.get("parentSpanId", ""),
                    service=service,
                    name=span["name"],
                    start=int(span["startTimeUnixNano"]),
                    end=int(span["endTimeUnixNano"]),
                    is_error=span.get("status", {}).get("code") == ERROR,
                    attributes=_attributes(span),
                    links=frozenset(link["traceId"] for link in span.get("links", ())),
                )


def _attributes(holder: Any) -> dict[str, str]:
    """The attributes as text, by their names."""
    return {one["key"]: str(next(iter(one["value"].values()), "")) for one in holder.get("attributes", ())}
