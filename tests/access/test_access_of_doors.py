"""Who may do what at the doors of the edge: the table, cell by cell."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from bff import schema
from tests.access.documents import DOCUMENTS
from tests.access.scene import Scene
from tests.access.table import GRAPHQL, NOTHING, OK, WHO
from tests.world import World


def cells(table: dict[str, tuple[str, ...]]) -> Iterator[Any]:
    for name, expected in table.items():
        for who, answer in zip(WHO, expected, strict=True):
            yield pytest.param(name, who, answer, id=f"{name}-{who}-{answer}")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def http(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=world.bff_url, timeout=10) as client:
        yield client


def bearer(scene: Scene, who: str) -> dict[str, str]:
    token = scene.token(who)
    return {"authorization": f"Bearer {token}"} if token else {}


def told(answer: dict[str, Any]) -> str:
    """OK, NOTHING, or the code of the only error of an answer of one field."""
    if answer.get("errors"):
        (code,) = {error["extensions"]["code"] for error in answer["errors"]}
        return str(code)
    (value,) = answer["data"].values()
    if isinstance(value, dict) and value.get("userErrors"):
        return str(value["userErrors"][0]["code"])
    return NOTHING if value == {"nodes": []} else OK


@pytest.mark.parametrize(("name", "who", "expected"), list(cells(GRAPHQL)))
async def test_graphql(scene: Scene, http: httpx.AsyncClient, name: str, who: str, expected: str) -> None:
    query, variables = await DOCUMENTS[name](scene)
    body = {"query": query, "variables": variables}
    answer = (await http.post("/graphql", json=body, headers=bearer(scene, who))).json()
    assert told(answer) == expected, answer


def test_the_table_names_every_root_field() -> None:
    roots = [kind for kind in (schema.build().query_type, schema.build().mutation_type) if kind]
    fields = {f"{kind.name}.{field}" for kind in roots for field in kind.fields if not field.startswith("_")}
    assert {name.partition(":")[0] for name in GRAPHQL} == fields
