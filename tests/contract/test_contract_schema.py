"""CONTRACT.md, "GraphQL": every type, field, argument, default and word that was promised is served."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    build_client_schema,
    build_schema,
    get_introspection_query,
    is_required_argument,
    is_required_input_field,
    is_specified_scalar_type,
)

from tests.contract.outside import Outside

PROMISED = build_schema(Path(__file__).with_name("contract.graphql").read_text())
NAMES = sorted(
    name for name, kind in PROMISED.type_map.items() if not name.startswith("__") and not is_specified_scalar_type(kind)
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def served(mesh: Outside) -> GraphQLSchema:
    """The schema as a client learns it: by introspection."""
    answer = await mesh.nobody.ask(get_introspection_query())
    return build_client_schema(answer["data"])


def _rows(kind: GraphQLNamedType) -> Iterator[tuple[str, str]]:
    """Everything that a type promises, a line each: what, and what it is."""
    if isinstance(kind, GraphQLEnumType):
        yield from ((value, "a word") for value in kind.values)
    elif isinstance(kind, GraphQLInputObjectType):
        yield from ((name, _with_default(field)) for name, field in kind.fields.items())
    elif isinstance(kind, GraphQLObjectType):
        for name, field in kind.fields.items():
            yield name, str(field.type)
            yield from ((f"{name}({argument}:)", _with_default(is_)) for argument, is_ in field.args.items())


def _with_default(given: Any) -> str:
    default = given.default_value
    return str(given.type) + (f" = {default}" if isinstance(default, int | str) else "")


@pytest.mark.parametrize("name", NAMES)
def test_the_type_is_served_with_all_that_was_promised_of_it(served: GraphQLSchema, name: str) -> None:
    promised, found = PROMISED.type_map[name], served.type_map[name]
    assert type(promised) is type(found)
    is_served = dict(_rows(found))
    assert {what: is_served.get(what) for what, _ in _rows(promised)} == dict(_rows(promised))


@pytest.mark.parametrize("name", NAMES)
def test_what_was_added_since_breaks_no_client_that_does_not_know_it(served: GraphQLSchema, name: str) -> None:
    found, known = served.type_map[name], {what for what, _ in _rows(PROMISED.type_map[name])}
    added: list[str] = []
    if isinstance(found, GraphQLInputObjectType):
        added = [field for field, is_ in found.fields.items() if field not in known and is_required_input_field(is_)]
    elif isinstance(found, GraphQLObjectType):
        added = [
            argument
            for field, is_ in found.fields.items()
            for argument, given in is_.args.items()
            if field in known and f"{field}({argument}:)" not in known and is_required_argument(given)
        ]
    assert added == []


async def test_a_browser_that_comes_by_get_finds_an_explorer(mesh: Outside) -> None:
    answer = await mesh.http.get(f"{mesh.bff}/graphql", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/html")
