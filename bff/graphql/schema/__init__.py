"""The schema with its resolvers, built once."""

from __future__ import annotations

from functools import cache

from ariadne import make_executable_schema
from graphql import GraphQLSchema

from bff.graphql.resolvers import availability, bookings, learning, payments, sessions
from bff.graphql.scalars import aws_date_time
from bff.graphql.schema import sdl


@cache
def build() -> GraphQLSchema:
    """An executable, validated schema. It is always the same object, which nobody changes."""
    bindables = [bind for module in (availability, bookings, learning, payments, sessions) for bind in module.BINDABLES]
    return make_executable_schema(sdl.whole(), *bindables, aws_date_time)
