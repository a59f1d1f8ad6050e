"""Names, titles, purposes and reasons that are written to break a page: they are shown as they were written, and no more."""

from __future__ import annotations

from uuid import UUID

import pytest
from playwright.async_api import expect

from tests.learners import enroll
from tests.pages.test_every_page import NARROW, SIDEWAYS
from tests.people import lesson_time

#: What a text must not become: an element, a script, a template, an address, an entity, or a line that turns around.
HOSTILE = (
    """<img src=x onerror=alert(1)>"'></script><script>alert(2)</script>{{1234*4321}}${1234*4321}"""
    + "&lt;b&gt;javascript:alert(3)"
    + "\u202e"
    + "W" * 60
)
#: As long as a purpose may be, with a control character.
LONG = (HOSTILE + "\u0007").ljust(1000, "x")
#: The same as a page may show it: what turns the line around is gone.
HARMLESS = HOSTILE.replace("\u202e", "")
#: What no page of ours has: elements that the hostile text would make, and results of its templates.
INTRUDERS = "img[src='x'], script:not([src]):not([type='application/json']), main b"


async def assert_harmless(page, shown: str) -> None:
    """Text with these words is on the page, and is text. A dialog or a script of it fails the visit itself."""
    await expect(page.locator("body")).to_contain_text(shown)
    await expect(page.locator(INTRUDERS)).to_have_count(0)
    assert "5332114" not in await page.locator("main").inner_text()
    assert "\u202e" not in await page.locator("body").inner_html()
    await page.set_viewport_size(NARROW)
    assert await page.evaluate(SIDEWAYS) == []


@pytest.fixture
async def hostile(people) -> UUID:
    """A tutor who means harm, by name and by the title of a course."""
    tutor = await people.tutor(display_name=HOSTILE[:80])
    await people.course(title=HOSTILE, instructor_id=str(tutor))
    return tutor


async def test_66_the_pages_of_a_purchase_show_hostile_text_as_text(people, checkout, links, hostile):
    sold = await people.booked(hostile, lesson_time(hour=9), purpose=LONG, timezone="UTC")
    await people.pay(sold.intent)
    await people.until_state(sold.saga, "COMPLETED")
    for person in ("STUDENT", "TUTOR"):
        await checkout.page.goto(links.manage(sold, person))
        await assert_harmless(checkout.page, "xxxxx")
    title = HOSTILE + "title"
    made = await enroll(people, (await people.course(title=title)).id)
    await checkout.open(made.checkout_url)
    await assert_harmless(checkout.page, HARMLESS + "title")
    await checkout.pay()
    await checkout.shows("confirmed")
    assert await checkout.page.title() == f"Confirmed: {HARMLESS}title"


async def test_66_the_shop_shows_hostile_text_as_text(shop, hostile):
    _, start = await shop.enter(), lesson_time(days=7, hour=9)
    await assert_harmless(shop.page, HARMLESS[:60])
    await shop.choose(start, hostile)
    await shop.page.locator("#book [name=purpose]").fill(HOSTILE)
    await assert_harmless(shop.page, HARMLESS[:60])
    await shop.page.locator("#book [name=later]").click()
    await assert_harmless(shop.page, HARMLESS)
    await shop.go("#courses")
    await assert_harmless(shop.page, HARMLESS)


async def test_66_the_tutors_week_shows_hostile_text_as_text(people, shop):
    start = lesson_time(days=7, hour=10)
    made = await people.book(shop.demo.tutor, start, purpose=HOSTILE)
    await shop.enter("Nora")
    await shop.go(f"#week/{start:%Y-%m-%d}")
    page = shop.page
    await page.get_by_role("button", name="Block time …").click()
    await page.locator("#block [name=from]").fill(f"{start:%Y-%m-%d}T16:00")
    await page.locator("#block [name=to]").fill(f"{start:%Y-%m-%d}T17:00")
    await page.locator("#block [name=reason]").fill(HOSTILE)
    await page.locator("#block").get_by_role("button", name="Block time").click()
    await assert_harmless(page, HARMLESS[:60])
    await page.locator(f'[data-key="held-{made.booking_id}"]').click()
    await assert_harmless(page, HARMLESS[:60])
