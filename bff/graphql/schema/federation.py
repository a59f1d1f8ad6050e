"""The subgraphs (Apollo Federation 2): parts of the whole schema, resolved as there, that a gateway puts together again."""

from __future__ import annotations

from functools import cache

from ariadne.contrib.federation import make_federated_schema
from graphql import GraphQLError, GraphQLObjectType, GraphQLSchema

from bff.graphql.context import Info
from bff.graphql.resolvers.entities import entities
from bff.graphql.scalars import aws_date_time
from bff.graphql.schema import sdl


@cache
def subgraphs(whole: GraphQLSchema, *, introspection: bool = True) -> dict[str, GraphQLSchema]:
    """The executable subgraphs by name. Without introspection they do not tell their SDL either."""
    return {name: _subgraph(name, whole, introspection) for name in sdl.subgraphs()}


def _subgraph(name: str, whole: GraphQLSchema, introspection: bool) -> GraphQLSchema:
    part = make_federated_schema(sdl.subgraph(name), aws_date_time)
    for kind in part.type_map.values():
        twin = whole.type_map.get(kind.name)
        if isinstance(kind, GraphQLObjectType) and isinstance(twin, GraphQLObjectType):
            _resolve_as(twin, kind)
    assert part.query_type
    part.query_type.fields["_entities"].resolve = entities
    if not introspection:
        part.query_type.fields["_service"].resolve = _refuse
    return part


def _resolve_as(twin: GraphQLObjectType, kind: GraphQLObjectType) -> None:
    for name, field in kind.fields.items():
        if name in twin.fields:
            field.resolve, field.subscribe = twin.fields[name].resolve, twin.fields[name].subscribe


def _refuse(_: None, __: Info) -> None:
    raise GraphQLError("the schema is not told here", extensions={"code": "FORBIDDEN"})
