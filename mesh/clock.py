"""Instants: always aware, always UTC. Decisions use the database's clock; this process's clock is for display only."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp


def now() -> datetime:
    """This process's time, UTC."""
    return datetime.now(UTC)


def to_proto(instant: datetime | None) -> Timestamp | None:
    """The Timestamp of an aware instant; None for None, which leaves a field absent."""
    if instant is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(instant.astimezone(UTC))
    return stamp


def iso(instant: datetime) -> str:
    """The instant in ISO 8601, in UTC with Z; with fractions of a second only when it has any."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
