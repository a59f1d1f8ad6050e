"""A person without a mouse: finds a time, books, pays, and cancels, and always sees where the focus is."""

from __future__ import annotations

import re
from uuid import uuid4

from playwright.async_api import Locator, Page, expect

from tests.pages.purchases import Checkout, Managing

#: Is the element still in the page, has it the focus, and is that seen by an outline?
FOCUS = """(element) => {
  const style = getComputedStyle(element), isSeen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  return [element.isConnected, element === document.activeElement, isSeen];
}"""
MOST_STEPS = 80


async def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until this has the focus, and look that one can see it."""
    await expect(wanted).to_be_visible()
    element = await wanted.element_handle()
    for _ in range(MOST_STEPS):
        is_there, is_focused, is_seen = await element.evaluate(FOCUS)
        if not is_there:
            element = await wanted.element_handle()
        elif is_focused:
            assert is_seen, "the focus is not seen"
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"not reached by {MOST_STEPS} steps of the Tab key: {wanted}")


async def press(page: Page, wanted: Locator, key: str = "Enter") -> None:
    await tab_to(page, wanted)
    await page.keyboard.press(key)


async def test_a_lesson_is_booked_paid_and_cancelled_by_keyboard_alone(shop):
    page, checkout = shop.page, Checkout(shop.visitor)
    shop.demo.admit(uuid4())
    await page.goto(f"{shop.demo.world.bff_url}/shop")
    await page.keyboard.press("Tab")
    await expect(page.locator(".skip-link")).to_be_focused()
    await press(page, page.get_by_role("button", name="Sam", exact=True))
    await press(page, page.get_by_role("link", name=re.compile("^Nora Field")))
    await press(page, page.get_by_role("link", name="Next week"))
    await press(page, page.locator(".day .button").nth(3))
    await expect(page.locator("#book :focus")).to_have_count(1)
    await press(page, page.locator("#book [name=pay]"))
    await expect(checkout.pay_button).to_be_enabled()
    await tab_to(page, checkout.card("good"))
    await page.keyboard.press("ArrowDown")
    await expect(checkout.card("declined")).to_be_checked()
    with shop.visitor.expecting(402):
        await press(page, checkout.pay_button)
        await expect(checkout.problem).to_be_visible()
    await tab_to(page, checkout.card("declined"))
    await page.keyboard.press("ArrowUp")
    await press(page, checkout.pay_button)
    await checkout.shows("confirmed")
    await expect(page.locator("#confirmed-title")).to_be_focused()
    await press(page, page.get_by_role("link", name=checkout.text("manage")))
    managing = Managing(shop.visitor)
    await press(page, page.locator("#cancel-start"))
    await expect(page.locator("#quote-title")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator("#cancel-start")).to_be_focused()
    await page.keyboard.press("Enter")
    await press(page, page.locator("#quote-confirm"))
    await managing.shows("cancelled")
