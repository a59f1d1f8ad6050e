"""The demo people's tokens: for a browser on this machine alone, and only where the developer's kit has made some."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from bff.graphql.explorer.people import is_loopback

PATH = "/graphql/explorer/people"
PEOPLE = {
    "people": [{"id": "00000000-0000-4000-8000-0000000000a1", "name": "Sam", "role": "student", "token": "a.b.c"}]
}
HERE = {"host": "127.0.0.1:8080"}


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    file = tmp_path / "demo-people.json"
    file.write_text(json.dumps(PEOPLE))
    return file


async def people(edge: httpx.AsyncClient, headers: dict[str, str]) -> Any:
    answer = await edge.get(PATH, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8080", "localhost:8080", "localhost", "LOCALHOST", "[::1]:8080", "127.8.8.8"]
)
async def test_a_browser_on_this_machine_gets_the_demo_people(
    edge: Callable[..., httpx.AsyncClient], tokens: Path, host: str
) -> None:
    async with edge(demo_tokens_file=tokens) as client:
        assert await people(client, {"host": host, "sec-fetch-site": "same-origin"}) == PEOPLE
        assert await people(client, {"host": host, "origin": f"http://{host}"}) == PEOPLE
        await asyncio.to_thread(tokens.write_text, '{"people":["renewed"]}')
        assert await people(client, {"host": host}) == {"people": ["renewed"]}


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "edge.test"},
        {"host": "192.168.1.20:8080"},
        {"host": "0.0.0.0:8080"},
        {"host": "127.0.0.1.rebound.example"},
        {"host": "localhost.rebound.example"},
        {"host": "rebound.example@127.0.0.1"},
        {"host": ""},
        HERE | {"origin": "https://evil.example"},
        HERE | {"origin": "null"},
        HERE | {"origin": "http://127.0.0.1:3000"},
        HERE | {"sec-fetch-site": "cross-site"},
        HERE | {"sec-fetch-site": "same-site"},
        HERE | {"x-forwarded-for": "203.0.113.9"},
        HERE | {"forwarded": "for=203.0.113.9"},
        HERE | {"via": "1.1 proxy"},
    ],
    ids=str,
)
async def test_nobody_else_gets_them(
    edge: Callable[..., httpx.AsyncClient], tokens: Path, headers: dict[str, str]
) -> None:
    async with edge(demo_tokens_file=tokens, cors_origins=("*",)) as client:
        assert await people(client, headers) == {"people": []}


async def test_an_edge_without_the_setting_or_without_the_file_has_none(
    edge: Callable[..., httpx.AsyncClient], tmp_path: Path
) -> None:
    for options in ({}, {"demo_tokens_file": tmp_path / "gone"}, {"demo_tokens_file": tmp_path}):
        async with edge(**options) as client:
            assert await people(client, HERE) == {"people": []}


@pytest.mark.parametrize("host", ["localhost.", "127.0.0.1:x:y", "2130706433", "0x7f.1", "[::1", "::", "example.org"])
def test_only_the_plain_names_of_this_machine_are_loopback(host: str) -> None:
    assert not is_loopback(host)
