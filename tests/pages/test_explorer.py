"""The explorer at /graphql in a real browser."""

from __future__ import annotations

from playwright.async_api import expect

from tests.pages.accessibility import assert_accessible


async def test_the_explorer_answers_a_query_and_keeps_nobody_out(open_window, world):
    visitor = await open_window()
    await visitor.page.goto(f"{world.bff_url}/graphql")
    await expect(visitor.page.locator("#docs summary").first).to_be_visible()
    await visitor.page.locator("#query").fill("{ __typename }")
    await visitor.page.keyboard.press("Control+Enter")
    await expect(visitor.page.locator("#result")).to_contain_text('"__typename": "Query"')
    await assert_accessible(visitor.page)
