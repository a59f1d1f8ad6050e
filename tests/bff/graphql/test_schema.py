"""The schema agrees with the protos behind it."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLEnumType

from bff.graphql import schema
from bff.graphql.errors import RETRYABLE, USER_ERROR_CODES
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
def test_every_enum_has_the_names_of_its_proto(name: str, prefix: str, enum: Any) -> None:
    assert values(name) == {key.removeprefix(prefix) for key in enum.DESCRIPTOR.values_by_name} - {"UNSPECIFIED"}


def test_every_user_error_code_is_in_the_schema_and_no_other() -> None:
    assert values("UserErrorCode") == USER_ERROR_CODES
    assert RETRYABLE < USER_ERROR_CODES


def test_every_root_field_has_a_resolver() -> None:
    """A root field without a resolver would always be null."""
    for root in (BUILT.query_type, BUILT.mutation_type):
        assert root
        assert all(field.resolve for field in root.fields.values())
