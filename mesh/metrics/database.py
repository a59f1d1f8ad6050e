"""The pool of connections, and what the watch of the database finds."""

from __future__ import annotations

from typing import Any, Protocol

from mesh.metrics.registry import counter, gauge

CONNECTIONS = gauge(
    "tutormesh_database_connections",
    "Connections of this process's pool, by state: in_use or idle.",
    ("database", "state"),
)
LIMIT = gauge("tutormesh_database_connections_limit", "Connections that the pool may have.", ("database",))
FAILED = counter(
    "tutormesh_database_failures_total",
    "Transactions that failed through no fault of the caller, by cause: no_connection_free, too_slow, away and others.",
    ("database", "cause"),
)
UP = gauge(
    "tutormesh_database_up",
    "1 while the database can do this: answer, or take writes. Looked at every three seconds.",
    ("database", "ability"),
)
SKEW = gauge(
    "tutormesh_database_clock_skew_seconds",
    "How far this process's clock is ahead of the database's; negative when it is behind.",
    ("database",),
)


class Pool(Protocol):
    """What is asked of a pool of connections."""

    size: int
    taken: int
    idle: list[Any]


def watch_pool(name: str, pool: Pool) -> None:
    """Show this pool whenever somebody scrapes. Nothing is counted meanwhile."""
    CONNECTIONS.labels(name, "in_use").set_function(lambda: pool.taken)
    CONNECTIONS.labels(name, "idle").set_function(lambda: len(pool.idle))
    LIMIT.labels(name).set(pool.size)
    FAILED.labels(name, "no_connection_free")  # an alert on growth needs the 0 from which a number grows


def note_status(name: str, *, answers: bool, writes: bool) -> None:
    """What the watch has found."""
    UP.labels(name, "answer").set(answers)
    UP.labels(name, "write").set(writes)
