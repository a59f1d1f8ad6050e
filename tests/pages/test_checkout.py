"""The page to pay on: a person pays, is declined, authenticates, waits, and comes back."""

from __future__ import annotations

import asyncio
import re

from playwright.async_api import expect

from tests.learners import enroll
from tests.pages.browser import visiting
from tests.pages.purchases import Checkout

SECRET = re.compile(r"pi_\w+_secret_\w+")
STATE, REFRESH = r"/links/checkout$", r"/links/checkout/refresh$"


async def test_a_lesson_is_paid_and_shown_as_confirmed_without_a_reload(people, checkout, lesson):
    await checkout.open(lesson.checkout_url)
    page = checkout.page
    await expect(page.locator("#what")).to_have_text("Lesson with Nora Field")
    await expect(page.locator(".summary")).to_contain_text("US$50.00")
    await expect(page.locator(".summary")).to_contain_text("Fractions")
    await expect(page.locator("#countdown")).to_have_text(re.compile(r"29:\d\d"))
    await checkout.pay()
    await checkout.shows("confirmed")
    assert len(checkout.visitor.answers(r"/checkout/lk_")) == 1
    assert await people.state(lesson.saga_id) == "COMPLETED"
    assert not SECRET.search(await checkout.visitor.held())


async def test_a_seat_in_a_course_is_paid(people, checkout):
    made = await enroll(people, (await people.course(title="Chess, an evening course")).id)
    await checkout.open(made.checkout_url)
    await expect(checkout.page.locator("#what")).to_have_text("Chess, an evening course")
    await checkout.pay()
    await checkout.shows("confirmed")


async def test_each_decline_is_told_in_words_until_no_attempt_is_left(people, checkout, lesson):
    await checkout.open(lesson.checkout_url)
    with checkout.visitor.expecting(402):
        await checkout.pay("insufficient")
        await expect(checkout.problem).to_contain_text(checkout.text("decline_insufficient_funds"))
        await expect(checkout.problem).to_contain_text("You have 2 attempts left.")
        await checkout.pay("declined")
        await expect(checkout.problem).to_contain_text(checkout.text("decline_card_declined"))
        await expect(checkout.problem).to_contain_text("You have 1 attempt left.")
        await checkout.pay("declined")
        await checkout.shows("payment_failed")
    await expect(checkout.page.locator("[data-panel=payment_failed] [data-free-times] li")).to_have_count(3)
    assert not SECRET.search(await checkout.visitor.held())
    assert await people.state(lesson.saga_id) == "PAYMENT_FAILED"


async def test_a_declined_card_is_followed_by_a_good_one(checkout, lesson):
    await checkout.open(lesson.checkout_url)
    with checkout.visitor.expecting(402):
        await checkout.pay("declined")
        await expect(checkout.problem).to_be_visible()
    await checkout.pay("good")
    await checkout.shows("confirmed")


async def test_an_authentication_at_the_bank_returns_to_the_page_and_completes(checkout, lesson):
    await checkout.open(lesson.checkout_url)
    await checkout.pay("secure")
    await checkout.authenticate("complete")
    await checkout.shows("confirmed")
    assert "secret" not in checkout.page.url
    assert not SECRET.search(await checkout.visitor.held())


async def test_an_authentication_that_fails_is_a_decline(checkout, lesson):
    await checkout.open(lesson.checkout_url)
    await checkout.pay("secure")
    await checkout.authenticate("fail")
    await expect(checkout.problem).to_contain_text(checkout.text("decline_authentication_required"))
    assert "secret" not in checkout.page.url
    await checkout.pay("good")
    await checkout.shows("confirmed")


async def test_65_an_authentication_that_is_abandoned_leaves_the_purchase_to_be_paid(people, checkout, lesson):
    await checkout.open(lesson.checkout_url)
    await checkout.pay("secure")
    await expect(checkout.page.locator("#complete")).to_be_enabled()
    await checkout.page.go_back()
    await expect(checkout.pay_button).to_be_enabled()
    assert (await people.intent(lesson.payment_intent_id))["status"] == "requires_action"
    await checkout.pay("good")
    await checkout.shows("confirmed")


async def test_65_a_payment_whose_event_is_lost_is_asked_for_and_never_called_failed(people, checkout, lesson):
    await people.webhooks("drop")
    await checkout.open(lesson.checkout_url)
    await checkout.pay()
    await checkout.shows("being_confirmed")
    await checkout.shows("confirmed")
    assert checkout.visitor.answers(REFRESH)
    assert await people.state(lesson.saga_id) == "COMPLETED"


async def test_65_two_tabs_pay_one_purchase_once(people, checkout, lesson):
    other = Checkout(checkout.visitor.tab(await checkout.visitor.context.new_page()))
    for tab in (checkout, other):
        await tab.open(lesson.checkout_url)
    with checkout.visitor.expecting(400):
        await asyncio.gather(checkout.pay(), other.pay())
        for tab in (checkout, other):
            await tab.shows("confirmed")
    (intent,) = await people.intents_of(lesson.saga_id)
    assert intent["amount_received"] == 5000


async def test_65_a_tab_that_only_looks_on_sees_the_payment_of_the_other(checkout, lesson):
    other = Checkout(checkout.visitor.tab(await checkout.visitor.context.new_page()))
    for tab in (checkout, other):
        await tab.open(lesson.checkout_url)
    await checkout.pay()
    await checkout.shows("confirmed")
    await other.come_back()
    await other.shows("confirmed")


async def test_65_reload_and_back_meet_the_same_intent(people, checkout, lesson):
    await checkout.open(lesson.checkout_url)
    await checkout.page.reload()
    await checkout.page.goto("about:blank")
    await checkout.page.go_back()
    await expect(checkout.pay_button).to_be_enabled()
    assert set(SECRET.findall(await checkout.visitor.received(STATE))) == {lesson.client_secret}
    await checkout.pay()
    await checkout.shows("confirmed")
    await checkout.page.reload()
    await checkout.shows("confirmed")
    assert len(await people.intents_of(lesson.saga_id)) == 1


async def test_the_page_without_its_script_says_what_is_bought_and_where_it_stands(chromium, people, lesson):
    async with visiting(chromium, people.world.bff_url, java_script_enabled=False) as visitor:
        await visitor.page.goto(lesson.checkout_url)
        await expect(visitor.page.locator(".summary")).to_contain_text("US$50.00")
        await expect(visitor.page.locator("#pay")).to_be_disabled()
        await expect(visitor.page.locator("#countdown")).to_have_text(re.compile(r"(30:00|29:\d\d)"))
