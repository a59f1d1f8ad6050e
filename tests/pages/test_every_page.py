"""What holds for every page in every language: no barrier that axe knows, no jump, no sideways scroll, from either side."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from uuid import uuid4

import pytest
from playwright.async_api import Page, expect

from tests.pages.accessibility import assert_accessible
from tests.pages.links import Links
from tests.pages.purchases import Checkout, Managing
from tests.pages.shopping import Shop
from tests.people import Booked, People, lesson_time

LANGUAGES = ("en", "de")
NARROW, WIDE = {"width": 360, "height": 740}, {"width": 1280, "height": 800}
#: How far the page can be moved sideways, and what is to blame.
SIDEWAYS = """() => {
  const root = document.scrollingElement, more = root.scrollWidth - root.clientWidth;
  if (more <= 0) return [];
  const out = [...document.querySelectorAll('body *')].filter((one) => {
    const { left, right, width } = one.getBoundingClientRect();
    return width > 1 && (right > root.clientWidth + 1 || left < -1);
  });
  return [more, ...out.slice(0, 3).map((one) => one.outerHTML.slice(0, 120))];
}"""

#: A good page moves what was there by less (web.dev: Cumulative Layout Shift). What a press brings about does not count.
MOST_JUMPS = 0.1
WATCH_JUMPS = """(() => {
  globalThis.jumps = [];
  new PerformanceObserver((list) => list.getEntries().filter((one) => !one.hadRecentInput).forEach(({ value, sources }) =>
    jumps.push({ by: value, of: sources.map(({ node }) => node?.outerHTML?.slice(0, 80)) }))
  ).observe({ type: 'layout-shift', buffered: true });
})()"""
#: The jumps since this was asked last.
JUMPS = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(jumps.splice(0)))))"


@dataclass(frozen=True)
class Stage:
    """A window, and the people who have made what its page shows."""

    people: People
    links: Links
    shop: Shop
    language: str

    @property
    def page(self) -> Page:
        return self.shop.page

    @property
    def hour(self) -> int:
        """An hour of a day that the window of another language leaves alone."""
        return 9 if self.language == "en" else 10

    async def goto(self, url: str) -> None:
        url = url if url.startswith("http") else self.people.world.bff_url + url
        await self.page.goto(f"{url}?lang={self.language}")

    async def checkout(self) -> Checkout:
        """The page to pay on, open."""
        tutor = await self.people.tutor(display_name="Nora Field", listed=False)
        made = await self.people.book(tutor, lesson_time(), timezone="Europe/Berlin", purpose="Fractions")
        await self.goto(made.checkout_url)
        checkout = Checkout(self.shop.visitor, self.language)
        await expect(checkout.pay_button).to_be_enabled()
        return checkout

    async def sell(self) -> Booked:
        """A lesson that is paid and confirmed."""
        tutor = await self.people.tutor(display_name="Nora Field", listed=False)
        sold = await self.people.booked(tutor, lesson_time(), timezone="Europe/Berlin")
        await self.people.pay(sold.intent)
        await self.people.until_state(sold.saga, "COMPLETED")
        return sold

    async def managing(self, sold: Booked, person: str) -> Managing:
        """The page of this lesson, open for this person."""
        await self.goto(self.links.manage(sold, person))
        managing = Managing(self.shop.visitor, self.language)
        await expect(self.page.locator("#cancel-start")).to_be_enabled()
        return managing


Journey = Callable[[Stage], AsyncIterator[str]]
"""Goes from page to page, and says the name of each that is to be looked at."""


async def to_pay(stage: Stage) -> AsyncIterator[str]:
    checkout = await stage.checkout()
    yield "paying"
    with checkout.visitor.expecting(402):
        await checkout.pay("insufficient")
        await expect(stage.page.locator("#attempts")).not_to_be_empty()
    yield "a decline"
    await checkout.pay("secure")
    await expect(stage.page.locator("#complete")).to_be_enabled()
    yield "the bank"
    await checkout.authenticate("complete")
    await checkout.shows("confirmed")
    yield "a confirmation"


async def to_pay_too_late(stage: Stage) -> AsyncIterator[str]:
    tutor = await stage.people.tutor(display_name="Nora Field", listed=False)
    made = await stage.people.book(tutor, lesson_time(), timezone="Europe/Berlin")
    await stage.people.let_the_hold_end(made.saga_id)
    await stage.people.until_state(made.saga_id, "EXPIRED")
    await stage.goto(made.checkout_url)
    await Checkout(stage.shop.visitor, stage.language).shows("expired")
    yield "a hold that has ended"


async def to_manage(stage: Stage) -> AsyncIterator[str]:
    sold = await stage.sell()
    await stage.managing(sold, "STUDENT")
    yield "the student's purchase"
    await (await stage.managing(sold, "TUTOR")).ask_for_a_quote()
    yield "the quote"


async def to_what_needs_no_login(stage: Stage) -> AsyncIterator[str]:
    await stage.goto("/")
    yield "the front page"
    with stage.shop.visitor.expecting(404):
        await stage.goto("/manage/lk_nothing")
    yield "a link that does not work"
    await stage.goto("/embed/demo")
    await stage.page.locator("tutormesh-slots li button").first.click()
    await expect(stage.page.locator("#event")).to_be_visible()
    yield "the component"


async def to_the_shop(stage: Stage) -> AsyncIterator[str]:
    shop, student = stage.shop, uuid4()
    shop.demo.admit(student)
    await stage.goto("/shop")
    await expect(stage.page.locator("#view .cards")).to_be_visible()
    yield "the login of the shop"
    await shop.log_in()
    yield "the tutors"
    await shop.go(f"#find/{shop.demo.tutor}/{lesson_time(days=10):%Y-%m-%d}/60")
    yield "choosing a time"
    await shop.choose(lesson_time(days=10))
    yield "the dialog to book"
    await stage.page.keyboard.press("Escape")
    start = lesson_time(days=12, hour=stage.hour)
    await stage.people.book(shop.demo.tutor, start, student, timezone="Europe/Berlin")
    await shop.go("#lessons")
    await expect(stage.page.locator("#view .card")).to_have_count(1)
    yield "the student's lessons"
    await shop.go("#courses")
    yield "the courses"


async def to_the_tutors_shop(stage: Stage) -> AsyncIterator[str]:
    await stage.people.book(stage.shop.demo.tutor, lesson_time(days=13, hour=stage.hour))
    await stage.shop.enter("Nora", language=stage.language)
    await stage.shop.go(f"#week/{lesson_time(days=13):%Y-%m-%d}")
    await expect(stage.page.locator(".event.held").first).to_be_visible()
    yield "the tutor's week"
    await stage.shop.go("#hours")
    yield "the tutor's hours"


JOURNEYS = (to_pay, to_pay_too_late, to_manage, to_what_needs_no_login, to_the_shop, to_the_tutors_shop)


async def assert_it_fits(page: Page, size: dict[str, int]) -> None:
    """Nothing lies outside, on a telephone and on a desk, from left and from right. Afterwards all is as it was."""
    for width, direction in ((size, "ltr"), (NARROW if size is WIDE else WIDE, "ltr"), (None, "rtl"), (size, "rtl")):
        if width and page.viewport_size != width:
            await page.set_viewport_size(width)
        out = await page.evaluate(f"() => {{ document.documentElement.dir = '{direction}'; return ({SIDEWAYS})(); }}")
        assert out == [], (page.viewport_size, direction)
    await page.evaluate("() => { document.documentElement.dir = 'ltr'; }")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: journey.__name__)
async def test_a_page_has_no_barrier_and_no_jump_and_fits_a_telephone_from_left_and_from_right(
    people, links, open_window, demo_people, journey, language
):
    size = WIDE if language == LANGUAGES[0] else NARROW
    stage = Stage(people, links, Shop(await open_window(viewport=size), demo_people), language)
    page = stage.page
    await page.add_init_script(WATCH_JUMPS)
    async for name in journey(stage):
        assert await page.evaluate("() => document.documentElement.lang.slice(0, 2)") == language, name
        jumps = await page.evaluate(JUMPS)
        assert sum(jump["by"] for jump in jumps) < MOST_JUMPS, (name, jumps)
        await assert_accessible(page, colours=language == LANGUAGES[0])
        await assert_it_fits(page, size)
        await page.evaluate(JUMPS)
