"""The schema with its resolvers, built once."""

from __future__ import annotations

from functools import cache

from ariadne import make_executable_schema
from graphql import GraphQLSchema

from bff import courses, types
from bff.mutations import mutation
from bff.queries import query
from bff.scalars import aws_date_time
from bff.schema import sdl
from bff.subscriptions import subscription


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
        *courses.bindables,
    )
    return make_executable_schema(sdl.whole(), *bindables, aws_date_time)
