"""The rules that every visit keeps: a page that breaks one of them fails the test that looks at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Route

from tests.pages.accessibility import find_barriers
from tests.pages.browser import Visitor, visiting

ORIGIN = "http://pages.test"
STRICT = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; base-uri 'none'"
FRAME = (
    '<!doctype html><html lang="en"><head><title>A page</title><link rel="icon" href="data:,"></head>'
    "<body><main><h1>A page</h1>{}</main></body></html>"
)
FAULTS = {
    "an inline script": ("<script>document.title = 'ran'</script>", "inline script"),
    "an inline style": ("<p style='color: red'>red</p>", "inline style"),
    "an inline handler": ("<img src='/x.png' alt='' onerror='document.title = 1'>", "inline event handler"),
    "a foreign picture": ("<img src='http://elsewhere.test/x.png' alt=''>", "the image 'http://elsewhere.test/x.png'"),
    "a script that crashes": ("<script src='/crash.js'></script>", "uncaught in the page: gone wrong"),
    "a script that complains": ("<script src='/complain.js'></script>", "error in the console: no good"),
    "a missing file": ("<script src='/missing.js'></script>", "404 GET"),
}
FILES: dict[str, dict[str, Any]] = {
    "/crash.js": {"body": "throw new Error('gone wrong')", "content_type": "text/javascript"},
    "/complain.js": {"body": "console.error('no good')", "content_type": "text/javascript"},
    "/x.png": {"body": "no picture", "content_type": "image/png"},
    "/missing.js": {"status": 404},
}
HIDE = """() => {
  history.replaceState({ at: 'secret-0' }, '', '?x=secret-1');
  localStorage.setItem('x', 'secret-2');
  sessionStorage.setItem('x', 'secret-3');
  const input = document.createElement('input');
  input.value = 'secret-4';
  document.body.append(input);
  document.body.dataset.x = 'secret-5';
}"""


async def answer(route: Route) -> None:
    """The server of the pages: `?fault=` names what is wrong with one."""
    url = urlsplit(route.request.url)
    if url.path in FILES:
        await route.fulfill(**FILES[url.path])
        return
    body, _ = FAULTS.get(parse_qs(url.query).get("fault", [""])[0], ("<p>Nothing to see.</p>", ""))
    await route.fulfill(body=FRAME.format(body), content_type="text/html", headers={"content-security-policy": STRICT})


@asynccontextmanager
async def at_the_page(chromium, *origins: str, fault: str = "") -> AsyncIterator[Visitor]:
    async with visiting(chromium, *origins) as visitor:
        await visitor.context.route("**/*", answer)
        await visitor.page.goto(f"{ORIGIN}/?fault={fault}")
        yield visitor


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_of_a_page_fails_its_test(chromium, fault):
    with pytest.raises(AssertionError) as failed:
        async with at_the_page(chromium, ORIGIN, fault=fault):
            pass
    assert FAULTS[fault][1] in str(failed.value)


async def test_a_page_without_a_fault_passes(chromium):
    async with at_the_page(chromium, ORIGIN) as visitor:
        assert await find_barriers(visitor.page) == []


async def test_a_request_to_a_foreign_origin_fails_its_test(chromium):
    with pytest.raises(AssertionError, match=r"a request to a foreign origin: http://pages\.test/"):
        async with at_the_page(chromium, "http://elsewhere.test"):
            pass


async def test_a_barrier_is_found_under_a_strict_policy(chromium):
    async with at_the_page(chromium, ORIGIN) as visitor:
        await visitor.page.evaluate("() => document.querySelector('main').append(document.createElement('button'))")
        (barrier,) = await find_barriers(visitor.page)
    assert barrier.startswith("button-name:")


async def test_a_secret_is_found_wherever_a_page_keeps_it(chromium):
    async with at_the_page(chromium, ORIGIN) as visitor:
        await visitor.page.evaluate(HIDE)
        held = await visitor.held()
    assert [number for number in range(6) if f"secret-{number}" not in held] == []
