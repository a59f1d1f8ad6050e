"""`make pictures`: a picture of every page, for the README and for whoever judges how a page looks.

No test: it is run by its name. PICTURES is the folder.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from playwright.async_api import expect

from tests.learners import enroll
from tests.pages import test_every_page as pages
from tests.pages.png import shrink
from tests.pages.shopping import Shop
from tests.pages.test_every_page import Stage
from tests.people import lesson_time

FOLDER = Path(os.environ.get("PICTURES", "docs/pictures"))
MOST_BYTES = 120_000
WIDE, TALL, PHONE = {"width": 1120, "height": 760}, {"width": 1120, "height": 980}, {"width": 390, "height": 844}


@dataclass(frozen=True)
class Picture:
    """A page at a size, in the light or in the dark."""

    name: str
    show: Callable[[Stage], Awaitable[None]]
    size: dict[str, int]
    scheme: str = "light"


async def a_week_of_a_tutor(stage: Stage) -> None:
    """Free hours, lessons, a hold and a block, in a week that no other picture needs."""
    monday = 21 - lesson_time(days=0).weekday()
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
    await stage.shop.enter("Nora")
    await stage.shop.go(f"#week/{day:%Y-%m-%d}")
    await expect(stage.page.locator(".event.blocked")).to_be_visible()


async def lessons_of_each_kind(stage: Stage) -> None:
    """A hold, a lesson that is paid, one that was cancelled, and one that was not paid in time."""
    student, tutor, people = await stage.shop.enter(), stage.shop.demo.tutor, stage.people
    more = {"purpose": "Fractions, before the test", "timezone": "Europe/Berlin"}
    await people.book(tutor, lesson_time(days=5, hour=14), student, **more)
    paid = await people.book(tutor, lesson_time(days=6, hour=9), student)
    lost = await people.book(tutor, lesson_time(days=7, hour=9), student)
    await people.pay(paid.payment_intent_id)
    await people.until_state(paid.saga_id, "COMPLETED")
    await people.let_the_hold_end(lost.saga_id)
    await people.until_state(lost.saga_id, "EXPIRED")
    await stage.shop.go("#lessons")
    await expect(stage.page.locator("#view .card")).to_have_count(3)


async def courses_of_a_student(stage: Stage) -> None:
    student = await stage.shop.enter()
    made = await enroll(stage.people, stage.shop.demo.course.id, student)
    await stage.people.pay(made.payment_intent_id)
    await stage.people.until_state(made.saga_id, "COMPLETED")
    await stage.shop.go("#courses")
    await expect(stage.page.locator("#view .badge")).to_have_count(1)


async def a_cancelled_lesson(stage: Stage) -> None:
    managing = await stage.managing("STUDENT")
    await managing.ask_for_a_quote()
    await managing.cancel()
    await managing.shows("cancelled")
    await expect(stage.page.locator("#refund-text")).to_contain_text("has gone back")


async def the_explorer(stage: Stage) -> None:
    stage.shop.demo.admit(UUID(int=7))
    await stage.page.goto(f"{stage.people.world.bff_url}/graphql")
    await stage.page.locator("#run").click()
    await expect(stage.page.locator("#result")).to_contain_text('"data"')


PICTURES = (
    Picture("front", pages.the_front_page, WIDE),
    Picture("shop-login", pages.the_login_of_the_shop, WIDE),
    Picture("shop-tutors", pages.the_tutors, WIDE),
    Picture("shop-week", pages.choosing_a_time, TALL),
    Picture("shop-book", pages.the_dialog_to_book, TALL),
    Picture("checkout", pages.paying, WIDE),
    Picture("checkout-declined", pages.a_decline, PHONE),
    Picture("checkout-bank", pages.the_bank, PHONE),
    Picture("checkout-confirmed", pages.a_confirmation, WIDE, "dark"),
    Picture("checkout-expired", pages.a_hold_that_has_ended, PHONE),
    Picture("shop-lessons", lessons_of_each_kind, TALL),
    Picture("shop-courses", courses_of_a_student, WIDE),
    Picture("manage", pages.the_students_purchase, WIDE),
    Picture("manage-quote", pages.the_quote, PHONE, "dark"),
    Picture("manage-cancelled", a_cancelled_lesson, PHONE),
    Picture("link-over", pages.a_link_that_does_not_work, PHONE),
    Picture("tutor-week", a_week_of_a_tutor, TALL),
    Picture("tutor-hours", pages.the_tutors_hours, TALL),
    Picture("slots", pages.the_component, TALL),
    Picture("explorer", the_explorer, WIDE),
)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
async def test_a_picture_is_taken(people, links, open_window, demo_people, picture):
    shop = Shop(await open_window(viewport=picture.size, color_scheme=picture.scheme, locale="en-US"), demo_people)
    await picture.show(Stage(people, links, shop, "en"))
    await shop.page.mouse.move(0, 0)
    await shop.page.evaluate("() => { document.activeElement?.blur(); scrollTo(0, 0); }")
    is_whole = picture.size is PHONE and not await shop.page.locator("dialog[open]").count()
    taken = await shop.page.screenshot(caret="hide", animations="disabled", full_page=is_whole)
    blank = await open_window()
    file = FOLDER / f"{picture.name}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(await shrink(blank.page, taken))
    assert file.stat().st_size <= MOST_BYTES
