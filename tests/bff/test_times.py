"""Times as clients write them."""

from __future__ import annotations

import pytest

from bff.times import parse_time
from mesh.errors import BadInput


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2030-01-31T09:00:00Z", "2030-01-31T09:00:00+00:00"),
        ("2030-01-31t09:00:00z", "2030-01-31T09:00:00+00:00"),
        ("2030-01-31T09:00+05:30", "2030-01-31T03:30:00+00:00"),
        ("2030-01-31T09:00:00.000000+0530", "2030-01-31T03:30:00+00:00"),
        ("2030-01-31T09:00:00.123456789-08:00", "2030-01-31T17:00:00.123456+00:00"),
    ],
)
def test_a_time_with_an_offset_is_parsed(text: str, utc: str) -> None:
    assert parse_time(text, "time").isoformat() == utc


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2030-01-31T09:00:00", "time: must have an offset or Z"),
        ("2030-01-31", "time: must be ISO 8601"),
        ("2030-W05-4T09:00:00Z", "time: must be ISO 8601"),
        ("20300131T090000Z", "time: must be ISO 8601"),
        ("٢030-01-31T09:00:00Z", "time: must be ISO 8601"),
        ("2030-01-31T09:00:00Z\n", "time: must be ISO 8601"),
        ("", "time: must be ISO 8601"),
        ("2030-02-30T09:00:00Z", "time: there is no such time"),
        ("2030-01-31T25:00:00Z", "time: there is no such time"),
        ("0001-01-01T00:00:00+01:00", "time: there is no such time"),
        ("2030-01-31T09:00:00+05", "time: must be ISO 8601"),
        ("2030-01-31T09:00:00+053", "time: must be ISO 8601"),
        ("2030-01-31T09:00:00+9900", "time: there is no such time"),
        ("2030-01-31T09:00:00+99:00", "time: there is no such time"),
    ],
)
def test_a_text_that_is_no_time_is_refused_and_named(text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        parse_time(text, "time")
