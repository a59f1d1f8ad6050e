"""docs/api.md, "GraphQL": every promised type, field, argument, default and enum value is served."""

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

from tests.contract.client import MeshClient, Person, iso, lesson_time

SLOTS = """query($tutor: ID!, $from: AWSDateTime!, $to: AWSDateTime!) {
  tutorAvailability(tutorId: $tutor, from: $from, to: $to) { start }
}"""

PROMISED = build_schema(Path(__file__).with_name("contract.graphql").read_text())
NAMES = sorted(
    name for name, kind in PROMISED.type_map.items() if not name.startswith("__") and not is_specified_scalar_type(kind)
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def served(mesh: MeshClient) -> GraphQLSchema:
    """The schema as a client reads it, by introspection."""
    answer = await mesh.nobody.ask(get_introspection_query())
    return build_client_schema(answer["data"])


def _rows(kind: GraphQLNamedType) -> Iterator[tuple[str, str]]:
    """Everything that a type promises: each name and its type."""
    if isinstance(kind, GraphQLEnumType):
        yield from ((value, "an enum value") for value in kind.values)
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
def test_a_promised_type_is_served_with_everything_that_it_promises(served: GraphQLSchema, name: str) -> None:
    promised, found = PROMISED.type_map[name], served.type_map[name]
    assert type(promised) is type(found)
    is_served = dict(_rows(found))
    assert {what: is_served.get(what) for what, _ in _rows(promised)} == dict(_rows(promised))


@pytest.mark.parametrize("name", NAMES)
def test_later_additions_to_a_type_break_no_older_client(served: GraphQLSchema, name: str) -> None:
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


async def test_a_browser_gets_an_explorer_at_graphql(mesh: MeshClient) -> None:
    answer = await mesh.http.get(f"{mesh.bff}/graphql", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/html")


async def test_the_explorers_first_click_is_answered_for_a_demo_person(mesh: MeshClient) -> None:
    """What the page does in a browser: it takes a demo person's token, and asks for a demo tutor's free slots."""
    address = f"{mesh.bff}/graphql/explorer/people"
    people = {one["name"]: one for one in (await mesh.http.get(address)).json()["people"]}
    sam = Person(mesh.http, mesh.bff, people["Sam"]["id"], people["Sam"]["token"])
    days = {"from": iso(lesson_time(1)), "to": iso(lesson_time(8))}
    assert await sam.get(SLOTS, tutor=people["Nora"]["id"], **days)
    assert (await mesh.http.get(address, headers={"host": "tutormesh.example"})).json() == {"people": []}
