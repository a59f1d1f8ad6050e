"""The headers of every page, and that what people write stays text."""

from __future__ import annotations

import httpx
import pytest_asyncio
from jinja2 import DictLoader, Environment
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bff.pages import render

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HOSTILE = "</title><script>alert(1)</script>\"' onload=x \u202e&amp;"


async def serve_plain(request: Request) -> Response:
    return render.page(request, "base.html", status=418)


@pytest_asyncio.fixture
async def plain() -> httpx.AsyncClient:
    app = Starlette(routes=[Route("/", serve_plain)])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://edge.test")


async def test_a_page_is_kept_framed_and_referred_to_by_nobody(plain: httpx.AsyncClient) -> None:
    answer = await plain.get("/", headers={"accept-language": "de"})
    assert (answer.status_code, answer.headers["content-type"]) == (418, "text/html; charset=utf-8")
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["content-language"] == "de"
    assert "accept-language" in answer.headers["vary"].lower()
    assert "set-cookie" not in answer.headers
    assert '<html lang="de" dir="ltr">' in answer.text


async def test_a_page_has_nothing_inline_and_nothing_from_elsewhere(plain: httpx.AsyncClient) -> None:
    text = (await plain.get("/")).text
    assert "<script" not in text
    assert "<style" not in text
    assert " style=" not in text
    assert "http://" not in text
    assert "https://" not in text


def test_a_policy_adds_sources_and_keeps_the_others() -> None:
    added = render.content_security_policy({"script-src": ["https://js.stripe.com"], "frame-src": ["https://a.test"]})
    assert "script-src 'self' https://js.stripe.com; style-src 'self';" in added
    assert added.endswith("frame-src https://a.test")
    assert "default-src 'none'" in added


def test_every_template_escapes() -> None:
    environment: Environment = render._TEMPLATES.overlay(
        loader=DictLoader({"x.html": "<p title='{{ a }}'>{{ a }}</p>"})
    )
    text = environment.get_template("x.html").render(a=HOSTILE)
    assert "<script" not in text
    assert text.count("'") == 2
