"""The schema says what the contracts behind it say."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLEnumType

from bff.graphql import schema
from bff.graphql.errors import RETRYABLE, USER_ERROR_CODES
from bff.times import parse_time
from mesh.errors import BadInput
from tutormesh.availability.v1 import availability_pb2
from tutormesh.booking.v1 import booking_pb2
from tutormesh.learning.v1 import learning_pb2
from tutormesh.payment.v1 import payment_pb2
from tutormesh.session.v1 import session_pb2

BUILT = schema.build()


def values(name: str) -> set[str]:
    kind = BUILT.type_map[name]
    assert isinstance(kind, GraphQLEnumType)
    return set(kind.values)


@pytest.mark.parametrize(
    ("name", "prefix", "enum"),
    [
        ("BookingStatus", "BOOKING_STATUS_", booking_pb2.BookingStatus),
        ("SessionStatus", "SESSION_STATUS_", session_pb2.SessionStatus),
        ("PaymentStatus", "PAYMENT_STATUS_", payment_pb2.PaymentStatus),
        ("PaymentContext", "PAYMENT_CONTEXT_", payment_pb2.PaymentContext),
        ("EnrollmentStatus", "ENROLLMENT_STATUS_", learning_pb2.EnrollmentStatus),
        ("Weekday", "WEEKDAY_", availability_pb2.Weekday),
    ],
)
def test_every_enum_has_the_words_of_its_proto(name: str, prefix: str, enum: Any) -> None:
    assert values(name) == {key.removeprefix(prefix) for key in enum.DESCRIPTOR.values_by_name} - {"UNSPECIFIED"}


def test_every_user_error_code_is_in_the_schema_and_no_other() -> None:
    assert values("UserErrorCode") == USER_ERROR_CODES
    assert RETRYABLE < USER_ERROR_CODES


def test_everything_in_the_schema_has_a_source() -> None:
    """Every root field has a resolver: nothing is promised that does not work."""
    for root in (BUILT.query_type, BUILT.mutation_type):
        assert root
        assert all(field.resolve for field in root.fields.values())


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2030-01-31T09:00:00Z", "2030-01-31T09:00:00+00:00"),
        ("2030-01-31t09:00:00z", "2030-01-31T09:00:00+00:00"),
        ("2030-01-31T09:00+05:30", "2030-01-31T03:30:00+00:00"),
        ("2030-01-31T09:00:00.123456789-08:00", "2030-01-31T17:00:00.123456+00:00"),
    ],
)
def test_a_time_with_its_offset_is_an_instant(text: str, utc: str) -> None:
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
        ("2030-01-31T09:00:00+99:00", "time: there is no such time"),
    ],
)
def test_what_is_no_instant_is_refused_by_name(text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        parse_time(text, "time")
