"""<tutormesh-slots> in a page of somebody else's origin, which has a policy of its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.pages.accessibility import assert_accessible
from tests.world import _http

PAGE = """<!doctype html><html lang="{lang}"><head><title>A school</title><link rel="icon" href="data:,">
<script type="module" src="{edge}/embed/slots.js"></script><script type="module" src="/heard.js"></script></head>
<body><main><h1>A school</h1>
<tutormesh-slots tutor="{tutor}" timezone="{zone}" duration="60"></tutormesh-slots><p id="heard"></p></main></body></html>"""
HEARD = """document.addEventListener("tutormesh-slot", ({ detail }) => {
  document.getElementById("heard").textContent = JSON.stringify(detail);
});"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def school(world, demo_people, foreign_origin) -> AsyncIterator[str]:
    """The address of a page that embeds the component, and names nobody but the edge in its policy."""
    policy = f"default-src 'none'; script-src 'self' {world.bff_url}; connect-src {world.bff_url}; img-src data:"

    async def page(request: Request) -> Response:
        given = {"lang": "en", "zone": "Europe/Berlin", **request.query_params}
        text = PAGE.format(edge=world.bff_url, tutor=demo_people.tutor, **given)
        return Response(text, media_type="text/html", headers={"content-security-policy": policy})

    async def heard(_: Request) -> Response:
        return Response(HEARD, media_type="text/javascript")

    app = Starlette(routes=[Route("/", page), Route("/heard.js", heard)])
    async with _http(app, urlsplit(foreign_origin).port, lifespan="off"):
        yield foreign_origin


async def test_a_page_of_another_origin_shows_free_times_and_hears_which_is_chosen(open_window, school, demo_people):
    visitor = await open_window(school)
    await visitor.page.goto(school)
    times = visitor.page.locator("tutormesh-slots li button")
    await expect(times.first).to_be_visible()
    await assert_accessible(visitor.page)
    await times.first.focus()
    await visitor.page.keyboard.press("ArrowDown")
    await visitor.page.keyboard.press("Enter")
    await expect(times.nth(1)).to_have_attribute("aria-pressed", "true")
    heard = json.loads(await visitor.page.locator("#heard").inner_text())
    assert heard["tutor"] == str(demo_people.tutor)
    assert heard["price"]["amountMinor"] == 5000
    assert "authorization" not in visitor.answers("/graphql")[0].request.headers
    assert await visitor.context.cookies() == []


@pytest.mark.parametrize(("lang", "said"), [("de", "Freie Zeiten: "), ("en", "Free times: ")])
async def test_the_component_speaks_the_language_of_its_page(open_window, school, lang, said):
    visitor = await open_window(school)
    await visitor.page.goto(f"{school}/?lang={lang}&zone=Asia/Tokyo")
    await expect(visitor.page.locator("tutormesh-slots")).to_contain_text(said)
    await expect(visitor.page.locator("tutormesh-slots")).to_contain_text("(Asia/Tokyo)")


async def test_a_page_of_an_origin_that_is_not_listed_gets_nothing(open_window, school):
    unlisted = school.replace("localhost", "127.0.0.1")
    visitor = await open_window(unlisted)
    await visitor.page.goto(unlisted)
    await expect(visitor.page.locator("h1")).to_have_text("A school")
    await visitor.forgive("blocked by CORS policy", "net::ERR_FAILED")
    assert await visitor.page.evaluate("() => customElements.get('tutormesh-slots') === undefined")
