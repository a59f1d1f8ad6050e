"""The registry of this process, and how a metric is made.

A label has few values, and all of them are ours: an RPC, a reason, a state. It is never an id, a path or a client's text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from mesh import calls, tracing

disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry()
#: Upper bounds in seconds: of a call, and of what may last for hours.
CALL_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LONG_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 86400.0)
#: The label of what is none of the known values.
OTHER = "OTHER"
_WORD = re.compile(r"[A-Z][A-Z_]{0,39}")


@dataclass(frozen=True, slots=True)
class Definition:
    """What a metric is: its name, its sort, its labels, and its help text."""

    name: str
    sort: str
    labels: tuple[str, ...]
    text: str


#: Every metric of the modules that are imported, in the order of their definitions.
DEFINED: list[Definition] = []


def counter(name: str, text: str, labels: Sequence[str] = ()) -> Counter:
    """A number that only grows. Its name ends in `_total`."""
    DEFINED.append(Definition(name, "counter", tuple(labels), text))
    return Counter(name, text, labels, registry=REGISTRY)


def gauge(name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
    """A number as it is now."""
    DEFINED.append(Definition(name, "gauge", tuple(labels), text))
    return Gauge(name, text, labels, registry=REGISTRY)


def histogram(name: str, text: str, labels: Sequence[str] = (), buckets: Sequence[float] = CALL_SECONDS) -> Histogram:
    """How often something took at most so many seconds. Its name ends in `_seconds`."""
    DEFINED.append(Definition(name, "histogram", tuple(labels), text))
    return Histogram(name, text, labels, registry=REGISTRY, buckets=buckets)


class Words:
    """The values of one label that are words of ours and of our peers, such as reasons: at most so many."""

    def __init__(self, most: int = 100) -> None:
        self._most, self._seen = most, set[str]()

    def label(self, word: str) -> str:
        """The word; OTHER for none, for what is no word, and for one beyond the bound."""
        if word not in self._seen:
            if len(self._seen) >= self._most or not _WORD.fullmatch(word):
                return OTHER
            self._seen.add(word)
        return word


def exemplar() -> dict[str, str] | None:
    """What leads from a bucket to one call in it: its trace, if that is kept, and the request id of its log lines.

    None outside of a call.
    """
    trace_id = tracing.trace_id() if tracing.is_recording() else ""
    found = {"trace_id": trace_id, "request_id": calls.current_request() or ""}
    return {name: text for name, text in found.items() if text} or None
