"""What the edge counts of GraphQL: its root fields, and how they end. An operation that fails is a 200 for HTTP."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

from mesh.metrics.registry import counter, exemplar, histogram

SECONDS = histogram(
    "tutormesh_graphql_field_duration_seconds",
    "How long root fields of queries and mutations took, by field and outcome: ok, user_error or error.",
    ("field", "outcome"),
)
USER_ERRORS = counter(
    "tutormesh_graphql_user_errors_total", "userErrors in answers to mutations, by field and code.", ("field", "code")
)
ERRORS = counter("tutormesh_graphql_errors_total", "GraphQL errors in answers, by their extensions.code.", ("code",))
# An alert on growth needs the 0 from which a number grows.
for _code in ("UNAVAILABLE", "INTERNAL"):
    ERRORS.labels(_code)


@cache
def show_faults(mutation: str) -> None:
    """Show that no faults of ours have been answered to this mutation yet, for the same reason."""
    for code in ("TRY_AGAIN", "PAYMENT_PROVIDER_UNAVAILABLE"):
        USER_ERRORS.labels(mutation, code)


class Measured:
    """Within, a field is resolved. Only root fields are measured: those below are parts of their time."""

    __slots__ = ("_began", "_info", "outcome")

    def __init__(self, info: Any) -> None:
        self._info, self.outcome, self._began = info, "error", time.perf_counter()

    def __enter__(self) -> Measured:
        return self

    def __exit__(self, *_: object) -> None:
        if self._info.path.prev is None:
            SECONDS.labels(self._info.field_name, self.outcome).observe(time.perf_counter() - self._began, exemplar())

    def answers(self) -> None:
        """The field has a value."""
        self.outcome = "ok"

    def refuses(self, code: str) -> None:
        """The field has a userError with this code."""
        self.outcome = "user_error"
        USER_ERRORS.labels(self._info.field_name, code).inc()
