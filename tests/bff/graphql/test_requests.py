"""The parameters of a GraphQL request, read from its body."""

from __future__ import annotations

import json

import httpx
import pytest


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 50_000, "not JSON"),
        (b'{"query": "{ __typename }", "variables": {"a": NaN}}', "not JSON"),
        (b'{"query": "{ __typename }", "variables": {"a": 1e999}}', "not JSON"),
        (b'{"query": "{ __typename }", "variables": {"a": -1e999}}', "not JSON"),
        (b'{"query": "{ __typename }", "variables": {"a": "\\ud800"}}', "not JSON"),
        (b'{"query": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'[{"query": "{ __typename }"}]', "batches are not taken"),
        (b'"{ __typename }"', "one JSON object"),
        (b"{}", "query: "),
        (b'{"query": 1}', "query: "),
        (b'{"query": "{ __typename }", "variables": []}', "variables: "),
        (b'{"query": "{ __typename }", "operationName": 1}', "operationName: "),
    ],
)
async def test_a_body_that_is_not_a_graphql_request_is_400(http: httpx.AsyncClient, body: bytes, says: str) -> None:
    answer = await http.post("/graphql", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert says in error["message"]


async def test_json_may_name_its_charset_and_send_nulls(http: httpx.AsyncClient) -> None:
    body = json.dumps({"query": "{ __typename }", "variables": None, "operationName": None, "extensions": {}})
    answer = await http.post("/graphql", content=body, headers={"content-type": "application/json; charset=utf-8"})
    assert answer.json() == {"data": {"__typename": "Query"}}


async def test_operation_name_chooses_the_operation(http: httpx.AsyncClient) -> None:
    query = "query A { a: __typename } query B { b: __typename }"
    answer = await http.post("/graphql", json={"query": query, "operationName": "B"})
    assert answer.json() == {"data": {"b": "Query"}}
    answer = await http.post("/graphql", json={"query": query, "operationName": "C"})
    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["BAD_USER_INPUT"]
    assert "data" not in answer.json()
