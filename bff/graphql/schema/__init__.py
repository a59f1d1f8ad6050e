"""The schema with its resolvers, built once."""

from __future__ import annotations

from functools import cache

from ariadne import make_executable_schema
from graphql import GraphQLSchema

from bff.graphql.resolvers import learning, types
from bff.graphql.resolvers.mutations import mutation
from bff.graphql.resolvers.queries import query
from bff.graphql.resolvers.subscriptions import subscription
from bff.graphql.scalars import aws_date_time
from bff.graphql.schema import sdl


@cache
def build() -> GraphQLSchema:
    """An executable, validated schema; always the same one, for nobody changes it."""
    bindables = (
        query,
        mutation,
        subscription,
        types.booking,
        types.session,
        types.book_session_payload,
        types.cancel_booking_payload,
        *learning.bindables,
    )
    return make_executable_schema(sdl.whole(), *bindables, aws_date_time)
