"""The schema with its resolvers, built once."""

from __future__ import annotations

from pathlib import Path

from ariadne import make_executable_schema
from graphql import GraphQLSchema

from bff import types
from bff.mutations import mutation
from bff.queries import query
from bff.scalars import aws_date_time

SDL = Path(__file__).with_name("schema.graphql")


def build() -> GraphQLSchema:
    """An executable, validated schema."""
    bindables = (query, mutation, types.booking, types.book_session_payload, types.cancel_booking_payload)
    return make_executable_schema(SDL.read_text(encoding="utf-8"), *bindables, aws_date_time)
