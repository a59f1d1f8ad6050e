"""AWSDateTime: ISO 8601 with an offset or Z in, UTC with Z out (AWS AppSync: scalar types)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from ariadne import ScalarType
from graphql import GraphQLError

from mesh.errors import BadInput

_FORM = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d(:\d\d)?)?", re.ASCII
)  # datetime.fromisoformat alone takes much more than this

aws_date_time = ScalarType("AWSDateTime")


@aws_date_time.value_parser
def text(value: object) -> str:
    """Only text is a time; what it means is read by `instant`, which knows the argument's name."""
    if not isinstance(value, str):
        raise GraphQLError("AWSDateTime must be a string")
    return value


def instant(value: str, field: str, *, bare_is_utc: bool = False) -> datetime:
    """The UTC instant that a client wrote. Raises BadInput naming the field, also when the offset is missing.

    Where `bare_is_utc` a time without an offset is UTC.
    """
    match = _FORM.fullmatch(value)
    if match is None:
        raise BadInput("must be ISO 8601, such as 2030-01-31T09:00:00Z", field=field)
    if match[3] is None and not bare_is_utc:
        raise BadInput("must have an offset or Z, such as 2030-01-31T09:00:00Z", field=field)
    try:
        written = datetime.fromisoformat(value.upper())
        return (written if match[3] else written.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput("there is no such time", field=field) from None
