"""The explorer works without the internet and runs only the edge's own files."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import httpx
import pytest

from bff.graphql import explorer, schema
from bff.graphql.documents import Documents

BROWSER = {"accept": "text/html"}
FILES = {
    "/graphql": "text/html; charset=utf-8",
    "/graphql/explorer.css": "text/css; charset=utf-8",
    "/graphql/explorer.js": "text/javascript; charset=utf-8",
    **{f"/graphql/explorer/{name}.js": "text/javascript; charset=utf-8" for name in explorer.MODULES},
}


@pytest.mark.parametrize(("path", "kind"), FILES.items())
async def test_the_explorers_files_have_a_strict_content_security_policy(
    http: httpx.AsyncClient, path: str, kind: str
) -> None:
    answer = await http.get(path, headers=BROWSER)
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "connect-src 'self' ws://edge.test wss://edge.test;" in policy


@pytest.mark.parametrize("host", ["a b", "edge.test; script-src *", "edge.test\tx", "'self'", "*", "", "[::1"])
async def test_no_host_gets_a_word_of_its_own_into_the_policy(http: httpx.AsyncClient, host: str) -> None:
    answer = await http.get("/graphql", headers=BROWSER | {"host": host})
    assert "connect-src 'self';" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", FILES)
async def test_the_explorer_loads_nothing_from_other_sites(http: httpx.AsyncClient, path: str) -> None:
    text = (await http.get(path, headers=BROWSER)).text
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(|<script>|style=|\son\w+=", text)


async def test_the_page_refers_only_to_files_that_exist(http: httpx.AsyncClient) -> None:
    page, script = [(await http.get(path, headers=BROWSER)).text for path in ("/graphql", "/graphql/explorer.js")]
    named = {urljoin("/graphql", name) for name in re.findall(r'(?:src|href)="(/[^"]+)"', page)}
    named |= {urljoin("/graphql/explorer.js", name) for name in re.findall(r'from "([^"]+)"', script)}
    assert named == FILES.keys() - {"/graphql"}


async def test_a_query_in_the_explorers_address_is_not_executed(http: httpx.AsyncClient) -> None:
    plain = await http.get("/graphql", headers=BROWSER)
    asked = await http.get("/graphql", params={"query": "{ __typename }"}, headers=BROWSER)
    assert asked.content == plain.content


async def test_the_explorers_introspection_query_is_answered(http: httpx.AsyncClient) -> None:
    script = (await http.get("/graphql/explorer/schema.js")).text
    (question,) = re.findall(r"const SCHEMA = `(.*?)`", script, re.DOTALL)
    assert not isinstance(Documents(schema.build()).read(question), list)
    answer = await http.post("/graphql", json={"query": question})
    names = {kind["name"] for kind in answer.json()["data"]["__schema"]["types"]}
    assert {"Query", "Mutation", "Booking"} <= names
