"""The front page and the shop: on a developer's machine alone, and with nothing but the public API behind them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import GraphQLEnumType, OperationDefinitionNode, parse, validate

import bff.pages
from bff.graphql import schema
from bff.pages.languages import TEXTS

FOLDER = Path(bff.pages.__file__).parent / "static" / "shop"
SCRIPTS = {file.name: file.read_text() for file in sorted(FOLDER.glob("*.js"))}
ALL = "\n".join((FOLDER.with_name("base.js").read_text(), *SCRIPTS.values()))
#: Refusals of what the shop does not do.
NOT_OF_THE_SHOP = {"IDEMPOTENCY_MISMATCH", "TOO_MANY_COURSES"}
Edge = Callable[..., httpx.AsyncClient]


@pytest.mark.parametrize("path", ["/", "/shop"])
@pytest.mark.parametrize(("language", "direction"), [("en", "ltr"), ("de", "ltr")])
async def test_a_developers_page_has_strict_headers_and_nothing_inline(
    edge: Edge, path: str, language: str, direction: str
) -> None:
    answer = await edge().get(path, params={"lang": language})
    assert answer.status_code == 200
    assert "script-src 'self'; style-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    assert re.search(rf'<html lang="{language}[\w-]*" dir="{direction}">', answer.text)
    assert not re.search(r"<script(?![^>]* (src=|type=.application/json))|<style|\sstyle=|\son\w+=", answer.text)
    assert not re.search(r"https?://", answer.text)


@pytest.mark.parametrize("path", ["/", "/shop"])
async def test_production_has_no_such_page(edge: Edge, path: str) -> None:
    assert (await edge(is_production=True).get(path)).status_code == 404


async def test_the_page_loads_only_what_is_served(edge: Edge) -> None:
    client = edge()
    page = (await client.get("/shop")).text
    named = set(re.findall(r'(?:src|href)="(/pages/[^"]+)"', page))
    named |= {f"/pages/shop/{name}" for name in re.findall(r'from "\./([\w.]+)"', ALL)}
    assert named >= {f"/pages/shop/{name}" for name in SCRIPTS}
    assert {(await client.get(path)).status_code for path in named} == {200}


async def test_the_front_page_leads_to_what_there_is(edge: Edge) -> None:
    client = edge()
    links = re.findall(r'<a class="card[^"]*" href="([^"]+)"', (await client.get("/")).text)
    assert {"/shop", "/graphql", "/openapi.json"} <= set(links)
    browser = {"accept": "text/html,*/*;q=0.8"}
    assert {(await client.get(link, headers=browser)).status_code for link in links} == {200}


def test_every_operation_of_the_shop_is_valid_and_used() -> None:
    document = parse((FOLDER / "operations.gql").read_text())
    assert [error for error in validate(schema.build(), document) if "must be the only" not in error.message] == []
    names = {
        part.name.value for part in document.definitions if isinstance(part, OperationDefinitionNode) and part.name
    }
    called = set(re.findall(r"(?:ask|change)\(\"(\w+)\"|follow\(\"(\w+Updated)\"", ALL))
    sent = {name for pair in called for name in pair if name}
    assert sent | {"CancelLesson", "CancelSeat", "LessonQuote", "SeatQuote"} == names


def test_the_shop_calls_the_public_api_and_nothing_else() -> None:
    """The demo people's tokens are what a login would give."""
    called = set(re.findall(r"[\"'`](/(?!/)[\w$][^\"'`\s]*)", ALL))
    assert called == {
        "/graphql",
        "/graphql/explorer/people",
        "/graphql/explorer/socket.js",
        "/api/v1/instructors/${person.id}/availability/block",
    }
    assert "`${location.origin" in SCRIPTS["api.js"]
    assert len(re.findall(r"\bfetch\(", ALL)) == 2
    assert "XMLHttpRequest" not in ALL and "sendBeacon" not in ALL


def test_what_people_write_stays_text() -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc", ALL)


def test_the_scripts_use_texts_that_there_are_and_tell_every_refusal() -> None:
    texts: Any = TEXTS["en"]["shop_script"]
    for key in set(re.findall(r"\bt\(\"([\w.]+)\"", ALL)):
        part = texts
        for name in key.split("."):
            assert name in part, key
            part = part[name]
    codes = schema.build().type_map["UserErrorCode"]
    assert isinstance(codes, GraphQLEnumType)
    assert set(codes.values) - NOT_OF_THE_SHOP <= set(texts["problems"])


async def test_the_texts_cannot_leave_their_block(edge: Edge) -> None:
    page = (await edge().get("/shop?lang=de")).text
    (block,) = re.findall(r'<script type="application/json" id="texts">(.*?)</script>', page, re.DOTALL)
    assert json.loads(block) == TEXTS["de"]["shop_script"]
    assert "<" not in block
