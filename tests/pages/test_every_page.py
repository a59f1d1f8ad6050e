"""What holds for every page in every language: no barrier that axe knows, no jump, no sideways scroll, from either side."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import uuid4

import pytest
from playwright.async_api import Page, expect

from tests.pages.accessibility import assert_accessible
from tests.pages.links import Links
from tests.pages.purchases import Checkout, Managing
from tests.pages.shopping import Shop
from tests.people import People, lesson_time

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
JUMPS = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(jumps))))"


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

    async def managing(self, person: str) -> Managing:
        """The page of a lesson that is sold, open for this person."""
        tutor = await self.people.tutor(display_name="Nora Field", listed=False)
        sold = await self.people.booked(tutor, lesson_time(), timezone="Europe/Berlin")
        await self.people.pay(sold.intent)
        await self.people.until_state(sold.saga, "COMPLETED")
        await self.goto(self.links.manage(sold, person))
        managing = Managing(self.shop.visitor, self.language)
        await expect(self.page.locator("#cancel-start")).to_be_enabled()
        return managing


async def the_front_page(stage: Stage) -> None:
    await stage.goto("/")


async def paying(stage: Stage) -> None:
    await stage.checkout()


async def a_decline(stage: Stage) -> None:
    checkout = await stage.checkout()
    with checkout.visitor.expecting(402):
        await checkout.pay("insufficient")
        await expect(stage.page.locator("#attempts")).not_to_be_empty()


async def the_bank(stage: Stage) -> None:
    await (await stage.checkout()).pay("secure")
    await expect(stage.page.locator("#complete")).to_be_enabled()


async def a_confirmation(stage: Stage) -> None:
    checkout = await stage.checkout()
    await checkout.pay()
    await checkout.shows("confirmed")


async def a_hold_that_has_ended(stage: Stage) -> None:
    tutor = await stage.people.tutor(display_name="Nora Field", listed=False)
    made = await stage.people.book(tutor, lesson_time(), timezone="Europe/Berlin")
    await stage.people.let_the_hold_end(made.saga_id)
    await stage.people.until_state(made.saga_id, "EXPIRED")
    await stage.goto(made.checkout_url)
    await Checkout(stage.shop.visitor, stage.language).shows("expired")


async def the_students_purchase(stage: Stage) -> None:
    await stage.managing("STUDENT")


async def the_quote(stage: Stage) -> None:
    await (await stage.managing("TUTOR")).ask_for_a_quote()


async def a_link_that_does_not_work(stage: Stage) -> None:
    with stage.shop.visitor.expecting(404):
        await stage.goto("/manage/lk_nothing")


async def the_login_of_the_shop(stage: Stage) -> None:
    stage.shop.demo.admit(uuid4())
    await stage.goto("/shop")
    await expect(stage.page.locator("#view .cards")).to_be_visible()


async def the_tutors(stage: Stage) -> None:
    await stage.shop.enter(language=stage.language)


async def choosing_a_time(stage: Stage) -> None:
    await stage.shop.enter(language=stage.language)
    await stage.shop.go(f"#find/{stage.shop.demo.tutor}/{lesson_time(days=10):%Y-%m-%d}/60")


async def the_dialog_to_book(stage: Stage) -> None:
    await stage.shop.enter(language=stage.language)
    await stage.shop.choose(lesson_time(days=10))


async def the_students_lessons(stage: Stage) -> None:
    hour = 9 if stage.language == "en" else 10
    student = await stage.shop.enter(language=stage.language)
    await stage.people.book(stage.shop.demo.tutor, lesson_time(days=12, hour=hour), student, timezone="Europe/Berlin")
    await stage.shop.go("#lessons")
    await expect(stage.page.locator("#view .card")).to_have_count(1)


async def the_courses(stage: Stage) -> None:
    await stage.shop.enter(language=stage.language)
    await stage.shop.go("#courses")


async def the_tutors_week(stage: Stage) -> None:
    await stage.people.book(stage.shop.demo.tutor, lesson_time(days=13, hour=9 if stage.language == "en" else 10))
    await stage.shop.enter("Nora", language=stage.language)
    await stage.shop.go(f"#week/{lesson_time(days=13):%Y-%m-%d}")
    await expect(stage.page.locator(".event.held").first).to_be_visible()


async def the_tutors_hours(stage: Stage) -> None:
    await stage.shop.enter("Nora", language=stage.language)
    await stage.shop.go("#hours")


async def the_component(stage: Stage) -> None:
    await stage.goto("/embed/demo")
    await stage.page.locator("tutormesh-slots li button").first.click()
    await expect(stage.page.locator("#event")).to_be_visible()


PAGES: tuple[Callable[[Stage], Awaitable[None]], ...] = (
    the_front_page, paying, a_decline, the_bank, a_confirmation, a_hold_that_has_ended, the_students_purchase,
    the_quote, a_link_that_does_not_work, the_login_of_the_shop, the_tutors, choosing_a_time, the_dialog_to_book,
    the_students_lessons, the_courses, the_tutors_week, the_tutors_hours, the_component,
)  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("show", PAGES, ids=lambda show: show.__name__)
async def test_a_page_has_no_barrier_and_no_jump_and_fits_a_telephone_from_left_and_from_right(
    people, links, open_window, demo_people, show, language
):
    size = WIDE if language == LANGUAGES[0] else NARROW
    stage = Stage(people, links, Shop(await open_window(viewport=size), demo_people), language)
    page = stage.page
    await page.add_init_script(WATCH_JUMPS)
    await show(stage)
    assert await page.evaluate("() => document.documentElement.lang.slice(0, 2)") == language
    assert sum(jump["by"] for jump in await page.evaluate(JUMPS)) < MOST_JUMPS, await page.evaluate(JUMPS)
    await assert_accessible(page, colours=language == LANGUAGES[0])
    assert await page.evaluate(SIDEWAYS) == []
    await page.set_viewport_size(NARROW)
    assert await page.evaluate(SIDEWAYS) == []
    await page.evaluate("() => { document.documentElement.dir = 'rtl'; }")
    assert await page.evaluate(SIDEWAYS) == []
    await page.set_viewport_size(WIDE)
    assert await page.evaluate(SIDEWAYS) == []
