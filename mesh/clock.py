"""Instants. Always aware, always UTC. What decides is the database's clock; this is for what only tells."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp


def now() -> datetime:
    """This process's time, UTC."""
    return datetime.now(UTC)


def to_proto(instant: datetime | None) -> Timestamp | None:
    """A Timestamp for an aware instant; None stays None (an absent field)."""
    if instant is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(instant.astimezone(UTC))
    return stamp


def iso(instant: datetime) -> str:
    """ISO 8601 in UTC with Z; fractions only when there are any."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
