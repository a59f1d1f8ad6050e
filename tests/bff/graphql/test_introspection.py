"""An edge whose operator has turned introspection off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import get_introspection_query

NAME = "{ __typename }"


async def test_without_introspection_the_schema_is_hidden(edge: Callable[..., Any]) -> None:
    http = edge(introspection=False)
    for query in (get_introspection_query(), '{ __type(name: "Booking") { name } }', "{ bookin { id } }"):
        (error, *_) = (await http.post("/graphql", json={"query": query})).json()["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert "Did you mean" not in error["message"]
    assert (await http.post("/graphql", json={"query": NAME})).json() == {"data": {"__typename": "Query"}}
