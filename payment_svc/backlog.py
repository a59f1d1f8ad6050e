"""The gauges of what is stored and waits. One process reads them every few seconds, however many scrape it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from prometheus_client import Gauge

from mesh.metrics.registry import OTHER
from payment_svc import metrics
from payment_svc.domain.kinds import KINDS
from payment_svc.domain.states import ENDS, State
from payment_svc.store.backlog import BacklogStore, Counted

_KINDS = frozenset(kind.name for kind in KINDS)
Labels = tuple[str, ...]


class Backlog:
    """Reads the backlog, and sets its gauges."""

    def __init__(self, store: BacklogStore) -> None:
        self._store = store
        self._shown: dict[Gauge, set[Labels]] = {
            metrics.OPEN: {(kind, state.value) for kind in _KINDS for state in State if state not in ENDS},
            metrics.STORED_EVENTS: {("NEWS",), ("INBOX",), ("PARKED",)},
            metrics.PARKED: set(),
            metrics.MESSAGES: set(),
        }

    async def refresh(self) -> None:
        """Read and set all of them. Raises TryAgain, Overloaded: then they stay as they were."""
        found = await self._store.read()
        by_what = {what: [row for row in found if row.what == what] for what in {row.what for row in found}}
        self._show(metrics.OPEN, by_what.get("saga", ()), lambda row: (_known_kind(row.one), row.two))
        self._show(metrics.PARKED, by_what.get("parked", ()), lambda row: (metrics.REASONS.label(row.one),))
        self._show(metrics.STORED_EVENTS, by_what.get("event", ()), lambda row: (row.one,))
        self._show(metrics.MESSAGES, by_what.get("message", ()), lambda row: (row.one, row.two))
        metrics.OLDEST_DUE.set(_age(by_what.get("due", ())))
        metrics.OLDEST_EVENT.set(_age(by_what.get("event_age", ())))
        metrics.READ_AT.set(time.time())

    def _show(self, gauge: Gauge, rows: Sequence[Counted], labels_of: Callable[[Counted], Labels]) -> None:
        """Set the gauge for each of these rows, and to 0 where there was a number before."""
        numbers: defaultdict[Labels, float] = defaultdict(float)
        for row in rows:
            numbers[labels_of(row)] += row.number
        self._shown[gauge] |= numbers.keys()
        for labels in self._shown[gauge]:
            gauge.labels(*labels).set(numbers[labels])


def _known_kind(kind: str) -> str:
    """A newer version's kind of saga is no label of this version."""
    return kind if kind in _KINDS else OTHER


def _age(rows: Sequence[Counted]) -> float:
    return max((row.number for row in rows), default=0.0)
