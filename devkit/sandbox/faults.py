"""Faults that a test has queued. A fault hits the next `times` calls of its method and path."""

from __future__ import annotations

from devkit.sandbox.store import Store
from devkit.sandbox.wire.errors import ApiError, Json

REFUND_FAULTS = ("refund_pending", "refund_failed")
# These faults also hit a call whose kept answer is repeated. The others need an operation that runs.
ON_REPEATS = ("error_before", "rate_limit", "timeout_after")
FAULTS = (*ON_REPEATS, "error_after", "slow", *REFUND_FAULTS)
_MAX_TIMES, _MAX_DELAY_MS = 1_000_000, 60_000


class Faults:
    """The queue of faults, kept in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, request: Json) -> Json:
        """Queue a fault, one of FAULTS. Raises ApiError 400.

        `slow` takes the idempotency key at once, and runs the operation `delay_ms` later.
        """
        fault = _parse(request)
        sql = "insert into fault (method, path, fault, times, delay_ms) values (?, ?, ?, ?, ?)"
        self._store.execute(sql, tuple(fault.values()))
        return fault

    def take(self, method: str, path: str, *, repeat: bool) -> tuple[str | None, int]:
        """Take the first fault for this call: its name and its delay in ms. (None, 0) when there is none."""
        kinds = ON_REPEATS if repeat else FAULTS
        ordered = self._store.execute(
            "select fault, seq, times, delay_ms from fault where method = ? and path = ? order by seq", (method, path)
        )
        found = next((row for row in ordered if row[0] in kinds), None)
        if found is None:
            return None, 0
        fault, seq, times, delay_ms = found
        if times > 1:
            self._store.execute("update fault set times = times - 1 where seq = ?", (seq,))
        else:
            self._store.execute("delete from fault where seq = ?", (seq,))
        return fault, delay_ms

    def all(self) -> list[Json]:
        rows = self._store.execute("select method, path, fault, times, delay_ms from fault order by seq")
        return [dict(zip(("method", "path", "fault", "times", "delay_ms"), row, strict=True)) for row in rows]

    def clear(self) -> None:
        self._store.execute("delete from fault")


def _parse(request: Json) -> Json:
    fault = request.get("fault")
    if fault not in FAULTS:
        raise ApiError(f"fault must be one of {', '.join(FAULTS)}", param="fault")
    default = "/v1/refunds" if fault in REFUND_FAULTS else None
    method, path = request.get("method", "POST"), request.get("path", default)
    if not isinstance(method, str) or not method.isalpha():
        raise ApiError("method must be an HTTP method", param="method")
    if not isinstance(path, str) or not path.startswith("/v1/"):
        raise ApiError("path must be a path of the API, such as /v1/payment_intents", param="path")
    times = read_integer(request, "times", 1, 1, _MAX_TIMES)
    delay_ms = read_integer(request, "delay_ms", 1000, 0, _MAX_DELAY_MS)
    return {"method": method.upper(), "path": path, "fault": fault, "times": times, "delay_ms": delay_ms}


def read_integer(request: Json, name: str, default: int, least: int, most: int) -> int:
    """Read a whole number of a control request, as JSON or as form text. Raises ApiError 400."""
    value = request.get(name, default)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ApiError(f"{name} must be a whole number from {least} to {most}", param=name)
    return value
