"""A verdict in Prometheus's text format, as node_exporter's textfile collector reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime

from ops.audit.invariants import INVARIANTS
from ops.audit.verdict import Verdict


def format_metrics(verdict: Verdict, full_at: datetime) -> str:
    """Gauges: breaches by invariant (0 too), open matters, records by kind, and two times in Unix seconds.

    The times are when this audit looked, and when everything was last read.
    """
    found = Counter(breach.invariant for breach in verdict.breaches)
    breaches = {f'{{invariant="{name}"}}': float(found[name]) for name in INVARIANTS}
    counted = {f'{{kind="{kind}"}}': float(number) for kind, number in verdict.counted.items()}
    return "\n".join(
        (
            *_gauge("tutormesh_audit_breaches", "Breaches that every look found.", breaches),
            *_gauge(
                "tutormesh_audit_open_matters",
                "PARKED sagas, which wait for a person.",
                {"": float(len(verdict.open_matters))},
            ),
            *_gauge("tutormesh_audit_looked_at", "How many of each kind were looked at.", counted),
            *_gauge(
                "tutormesh_audit_timestamp_seconds",
                "When the last look began, Unix time.",
                {"": verdict.looked_at.timestamp()},
            ),
            *_gauge(
                "tutormesh_audit_full_timestamp_seconds",
                "When everything was last read, Unix time.",
                {"": full_at.timestamp()},
            ),
        )
    )


def _gauge(name: str, help_text: str, samples: Mapping[str, float]) -> Iterator[str]:
    yield f"# HELP {name} {help_text}"
    yield f"# TYPE {name} gauge"
    for labels, value in samples.items():
        yield f"{name}{labels} {int(value) if value.is_integer() else value}"
