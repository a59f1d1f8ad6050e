"""AWSDateTime: ISO 8601 with an offset or Z in, UTC with Z out (AWS AppSync: scalar types)."""

from __future__ import annotations

from ariadne import ScalarType
from graphql import GraphQLError

aws_date_time = ScalarType("AWSDateTime")


@aws_date_time.value_parser
def parse(value: object) -> str:
    """Only a string can be a time. The resolver parses it, because it knows the argument's name (`times.parse_time`)."""
    if not isinstance(value, str):
        raise GraphQLError("AWSDateTime must be a string")
    return value
