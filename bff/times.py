"""Times as clients write and read them: ISO 8601. One reading for GraphQL and REST."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from mesh import clock
from mesh.errors import BadInput

#: A tutor's free slots start every quarter of an hour as a rule, and availability lists at most 31 days of them.
SLOT_EVERY, LONGEST_LISTING = timedelta(minutes=15), 31 * 96
#: `datetime.fromisoformat` alone accepts much more than this. `+0000` is how `strftime`, and so clients that OpenAPI
#: Generator makes, write an offset.
_FORM = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:?\d\d|[+-]\d\d:\d\d:\d\d)?",
    re.ASCII,
)


def parse_time(text: str, field: str, *, bare_is_utc: bool = False) -> datetime:
    """The UTC instant that a client wrote. `bare_is_utc` reads a time without an offset as UTC.

    Raises BadInput naming the field: not ISO 8601, no offset, no such time.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise BadInput("must be ISO 8601, such as 2030-01-31T09:00:00Z", field=field)
    if match[3] is None and not bare_is_utc:
        raise BadInput("must have an offset or Z, such as 2030-01-31T09:00:00Z", field=field)
    try:
        written = datetime.fromisoformat(text.upper())
        return (written if match[3] else written.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput("there is no such time", field=field) from None


def most_slots(begin: datetime, end: datetime) -> int:
    """The number of free slots that a listing of this time is expected to have at most."""
    return min(max(math.ceil((end - begin) / SLOT_EVERY), 1), LONGEST_LISTING)


def parse_timestamp(text: str, field: str, *, bare_is_utc: bool = False) -> Timestamp:
    """The same as a proto Timestamp. Raises BadInput naming the field."""
    stamp = Timestamp()
    stamp.FromDatetime(parse_time(text, field, bare_is_utc=bare_is_utc))
    return stamp


def format_time(stamp: Timestamp) -> str:
    """ISO 8601 in UTC, with Z."""
    return clock.iso(stamp.ToDatetime(tzinfo=UTC))


def format_optional_time(message: Message, field: str) -> str | None:
    """The time in a message's field; None when the field is absent."""
    return format_time(getattr(message, field)) if message.HasField(field) else None
