"""The subgraphs (Apollo Federation 2): parts of the whole schema with its resolvers. A gateway composes them."""

from __future__ import annotations

from functools import cache

from ariadne.contrib.federation import make_federated_schema
from graphql import GraphQLError, GraphQLObjectType, GraphQLSchema

from bff.graphql.context import Info
from bff.graphql.resolvers.entities import find_entities
from bff.graphql.scalars import aws_date_time
from bff.graphql.schema import sdl


@cache
def subgraphs(whole: GraphQLSchema, *, introspection: bool = True) -> dict[str, GraphQLSchema]:
    """The executable subgraphs by name. Without introspection they hide their SDL too."""
    return {name: _build_subgraph(name, whole, introspection) for name in sdl.subgraphs()}


def _build_subgraph(name: str, whole: GraphQLSchema, introspection: bool) -> GraphQLSchema:
    part = make_federated_schema(sdl.subgraph(name), aws_date_time)
    for kind in part.type_map.values():
        twin = whole.type_map.get(kind.name)
        if isinstance(kind, GraphQLObjectType) and isinstance(twin, GraphQLObjectType):
            _copy_resolvers(twin, kind)
    assert part.query_type
    part.query_type.fields["_entities"].resolve = find_entities
    if not introspection:
        part.query_type.fields["_service"].resolve = _refuse
    return part


def _copy_resolvers(twin: GraphQLObjectType, kind: GraphQLObjectType) -> None:
    for name, field in kind.fields.items():
        if name in twin.fields:
            field.resolve, field.subscribe = twin.fields[name].resolve, twin.fields[name].subscribe


def _refuse(_: None, __: Info) -> None:
    raise GraphQLError("the schema is not told here", extensions={"code": "FORBIDDEN"})
