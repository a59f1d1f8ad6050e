"""`make pictures`: a picture of every page, for the README and for whoever judges how a page looks.

No test: it is run by its name. PICTURES is the folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from playwright.async_api import Page, expect

from tests.learners import enroll
from tests.pages import test_every_page as pages
from tests.pages.png import shrink
from tests.pages.shopping import Shop
from tests.pages.test_every_page import Stage
from tests.people import lesson_time

FOLDER = Path(os.environ.get("PICTURES", "docs/pictures"))
FULL = bool(os.environ.get("FULL"))
MOST_BYTES = 120_000
WIDE, TALL, PHONE = {"width": 1120, "height": 760}, {"width": 1120, "height": 980}, {"width": 390, "height": 844}
SMALL = {"width": 360, "height": 740}


@dataclass(frozen=True)
class Picture:
    """A page, as its journey calls it, at a size, in the light or in the dark."""

    name: str
    page: str
    size: dict[str, int]
    scheme: str = "light"
    language: str = "en"


async def to_a_full_week(stage: Stage) -> AsyncIterator[str]:
    """Free hours, lessons, a hold and a block, in a week that no other picture needs."""
    monday = (21 if stage.language == "en" else 28) - lesson_time(days=0).weekday()
    tutor, world = stage.shop.demo.tutor, stage.people.world
    for day, hour, is_paid in ((0, 8, True), (1, 13, True), (2, 9, False), (3, 15, True), (4, 10, True)):
        booked = await stage.people.booked(tutor, lesson_time(days=monday + day, hour=hour))
        if is_paid:
            await stage.people.pay(booked.intent)
            await stage.people.until_state(booked.saga, "COMPLETED")
    day = lesson_time(days=monday + 3)
    blocks = {
        "blocks": [{"start_time": f"{day:%Y-%m-%d}T08:00Z", "end_time": f"{day:%Y-%m-%d}T10:00Z", "reason": "Dentist"}]
    }
    headers = {"Authorization": f"Bearer {world.token('tutor', subject=tutor)}"}
    url = f"{world.bff_url}/api/v1/instructors/{tutor}/availability/block"
    (await stage.people.http.post(url, json=blocks, headers=headers)).raise_for_status()
    await stage.shop.enter("Nora", language=stage.language)
    await stage.shop.go(f"#week/{day:%Y-%m-%d}")
    await expect(stage.page.locator(".event.blocked")).to_be_visible()
    yield "a full week"


async def to_lessons_of_each_kind(stage: Stage) -> AsyncIterator[str]:
    """A hold, a lesson that is paid, and one that was not paid in time; and a seat."""
    student, tutor, people = await stage.shop.enter(language=stage.language), stage.shop.demo.tutor, stage.people
    day = 5 if stage.language == "en" else 8
    more = {"purpose": "Fractions, before the test", "timezone": "Europe/Berlin"}
    await people.book(tutor, lesson_time(days=day, hour=14), student, **more)
    paid = await people.book(tutor, lesson_time(days=day + 1, hour=9), student)
    lost = await people.book(tutor, lesson_time(days=day + 2, hour=9), student)
    await people.pay(paid.payment_intent_id)
    await people.until_state(paid.saga_id, "COMPLETED")
    await people.let_the_hold_end(lost.saga_id)
    await people.until_state(lost.saga_id, "EXPIRED")
    await stage.shop.go("#lessons")
    await expect(stage.page.locator("#view .card")).to_have_count(3)
    yield "lessons of each kind"
    made = await enroll(stage.people, stage.shop.demo.course.id, student)
    await stage.people.pay(made.payment_intent_id)
    await stage.people.until_state(made.saga_id, "COMPLETED")
    await stage.shop.go("#courses")
    await expect(stage.page.locator("#view .badge")).to_have_count(1)
    yield "courses of a student"


async def to_a_cancelled_lesson(stage: Stage) -> AsyncIterator[str]:
    managing = await stage.managing(await stage.sell(), "STUDENT")
    await managing.ask_for_a_quote()
    await managing.cancel()
    await managing.shows("cancelled")
    told = managing.text("refund_paid_student", amount="").strip()
    await expect(stage.page.locator("#refund-text")).to_contain_text(told)
    yield "a cancelled lesson"


async def to_the_explorer(stage: Stage) -> AsyncIterator[str]:
    stage.shop.demo.admit(UUID(int=7))
    await stage.page.goto(f"{stage.people.world.bff_url}/graphql")
    await stage.page.locator("#run").click()
    await expect(stage.page.locator("#result")).to_contain_text('"data"')
    yield "the explorer"


OWN_JOURNEYS = (to_a_full_week, to_lessons_of_each_kind, to_a_cancelled_lesson, to_the_explorer)
PICTURES = (
    Picture("front", "the front page", WIDE),
    Picture("shop-login", "the login of the shop", WIDE),
    Picture("shop-tutors", "the tutors", WIDE),
    Picture("shop-tutors-dark", "the tutors", WIDE, "dark", "de"),
    Picture("shop-week", "choosing a time", TALL),
    Picture("shop-week-dark", "choosing a time", TALL, "dark", "de"),
    Picture("shop-book", "the dialog to book", TALL),
    Picture("shop-book-phone", "the dialog to book", PHONE, "dark", "de"),
    Picture("checkout", "paying", WIDE),
    Picture("checkout-declined", "a decline", PHONE),
    Picture("checkout-bank", "the bank", PHONE),
    Picture("checkout-confirmed", "a confirmation", WIDE, "dark"),
    Picture("checkout-expired", "a hold that has ended", PHONE),
    Picture("shop-lessons", "lessons of each kind", TALL),
    Picture("shop-lessons-phone", "lessons of each kind", PHONE, "light", "de"),
    Picture("shop-courses", "courses of a student", WIDE),
    Picture("shop-courses-dark", "courses of a student", WIDE, "dark", "de"),
    Picture("manage", "the student's purchase", WIDE),
    Picture("manage-quote", "the quote", PHONE, "dark"),
    Picture("manage-cancelled", "a cancelled lesson", PHONE),
    Picture("link-over", "a link that does not work", PHONE),
    Picture("tutor-week", "a full week", TALL),
    Picture("tutor-week-dark", "a full week", TALL, "dark", "de"),
    Picture("tutor-hours", "the tutor's hours", TALL),
    Picture("tutor-hours-phone", "the tutor's hours", PHONE, "light", "de"),
    Picture("slots", "the component", TALL),
    Picture("explorer", "the explorer", WIDE),
)
JOURNEYS = (*pages.JOURNEYS, *OWN_JOURNEYS)


def pictures_of(page: str, language: str) -> list[Picture]:
    """The pictures to take of this page. FULL=1: in the light and in the dark, on a desk and on a small telephone."""
    if not FULL:
        return [picture for picture in PICTURES if (picture.page, picture.language) == (page, language)]
    name = re.sub(r"\W+", "-", page)
    return [
        Picture(f"{name}-{language}-{scheme}-{size['width']}", page, size, scheme, language)
        for scheme in ("light", "dark")
        for size in (WIDE, SMALL)
    ]


@pytest.mark.parametrize("language", pages.LANGUAGES)
@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: journey.__name__)
async def test_pictures_of_a_journey_are_taken(people, links, open_window, demo_people, journey, language):
    locale = "en-US" if language == "en" else "de-DE"
    shop, blank = Shop(await open_window(viewport=WIDE, locale=locale), demo_people), await open_window()
    async for page in journey(Stage(people, links, shop, language)):
        for picture in pictures_of(page, language):
            await take(picture, shop.page, blank.page)


async def take(picture: Picture, page: Page, blank: Page) -> None:
    await page.set_viewport_size(picture.size)
    await page.emulate_media(color_scheme=picture.scheme)
    await page.mouse.move(0, 0)
    await page.evaluate("() => { document.activeElement?.blur(); scrollTo(0, 0); }")
    is_whole = picture.size in (PHONE, SMALL) and not await page.locator("dialog[open]").count()
    taken = await page.screenshot(caret="hide", animations="disabled", full_page=is_whole)
    file = FOLDER / f"{picture.name}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(taken if FULL else await shrink(blank, taken))
    assert FULL or file.stat().st_size <= MOST_BYTES
    await page.set_viewport_size(WIDE)
