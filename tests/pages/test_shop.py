"""The shop: a student finds a time, books, pays, and sees it confirmed; a tutor sees and changes the week."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from playwright.async_api import WebSocketRoute, expect

from tests.pages.purchases import Checkout
from tests.pages.test_hold_end import saga_of
from tests.people import lesson_time, wait_until

#: Whoever opens a WebSocket goes on to the courses at once.
LEAVE = """(() => {
  const { WebSocket } = globalThis;
  globalThis.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      this.addEventListener('close', ({ code }) => { globalThis.code = code; });
      location.hash = '#courses';
    }
  };
})()"""


async def test_a_lesson_is_found_booked_paid_and_confirmed(people, shop):
    student, start = await shop.enter(), lesson_time(days=5, hour=9)
    await shop.page.get_by_role("link", name="Nora Field").click()
    await expect(shop.page.locator("h1")).to_have_text("Free times of Nora Field")
    await shop.book(start)
    checkout = Checkout(shop.visitor)
    await expect(shop.page.locator("#what")).to_have_text("Lesson with Nora Field")
    await checkout.pay()
    await checkout.shows("confirmed")
    await shop.page.get_by_role("link", name=checkout.text("continue")).click()
    await expect(shop.lessons("Confirmed").get_by_role("link", name="Join")).to_have_attribute(
        "href", re.compile("^https:")
    )
    assert await people.state(await saga_of(people, student)) == "COMPLETED"


async def test_a_payment_in_another_window_is_seen_live_and_the_lesson_cancelled_by_its_quote(people, shop):
    student = await shop.enter()
    await shop.book(lesson_time(days=5, hour=11), "later")
    await expect(shop.lessons("Unpaid")).to_contain_text("Still held for 29:")
    saga = await saga_of(people, student)
    (intent,) = await people.intents_of(saga)
    await people.pay(intent["id"])
    await expect(shop.lessons("Confirmed")).to_have_count(1)
    assert len(shop.visitor.answers(r"/shop\?")) == 1
    await shop.page.get_by_role("button", name="Cancel …").click()
    await expect(shop.page.locator("#cancel [data-part=refund]")).to_have_text(
        "US$50.00 goes back: 100 % of the price."
    )
    await shop.page.get_by_role("button", name="Yes, cancel").click()
    await expect(shop.lessons("Cancelled")).to_contain_text("$50.00")
    (refund,) = await wait_until(lambda: people.refunds_of(intent["id"]), bool)
    assert refund["amount"] == 5000


async def test_a_payment_is_seen_live_where_no_websocket_comes_through(people, shop):
    page = shop.page
    await page.clock.install()
    refused = []

    async def refuse(socket: WebSocketRoute) -> None:
        refused.append(socket)
        await socket.close(code=1011, reason="no such thing here")

    await page.route_web_socket(re.compile("/graphql$"), refuse)
    student = await shop.enter()
    await shop.book(lesson_time(days=4, hour=13), "later")
    await expect(shop.lessons("Unpaid")).to_have_count(1)
    saga = await saga_of(people, student)
    (intent,) = await people.intents_of(saga)
    await people.pay(intent["id"])
    await people.until_state(saga, "COMPLETED")
    await page.clock.run_for(3500)  # within which it asks again
    await expect(shop.lessons("Confirmed")).to_have_count(1)
    assert refused and len(shop.visitor.answers(r"/shop\?")) == 1
    asked = len(shop.visitor.answers("/graphql"))
    await page.clock.run_for(10_000)
    assert len(shop.visitor.answers("/graphql")) == asked  # what is confirmed is followed no more


async def test_a_view_that_is_left_before_its_websocket_is_open_complains_of_nothing(shop):
    await shop.page.add_init_script(LEAVE)
    await shop.enter()
    await shop.book(lesson_time(days=4, hour=14), "later")
    await wait_until(lambda: shop.page.evaluate("() => globalThis.code"), bool)
    await shop.is_quiet()
    await expect(shop.page.locator("#view h1")).to_have_text("My courses")
    assert await shop.page.evaluate("() => globalThis.code") == 1000


async def test_what_others_hold_or_have_booked_is_not_offered_and_leaves_a_gap_in_the_week(people, shop):
    held = lesson_time(days=8, hour=8)
    booked = held + timedelta(hours=4)
    await people.book(shop.demo.tutor, held)
    paid = await people.booked(shop.demo.tutor, booked)
    await people.pay(paid.intent)
    await people.until_state(paid.saga, "COMPLETED")
    await shop.enter()
    await shop.go(f"#find/{shop.demo.tutor}/{held:%Y-%m-%d}/60")
    day = shop.page.locator(".day", has=shop.page.locator(f'[data-key^="{held:%Y-%m-%d}"]'))
    offered = [str(name) for name in await day.locator(".slot").all_inner_texts()]
    for start in (held, booked):
        here = start.astimezone(shop.zone)
        missing = {f"{here + timedelta(minutes=minutes):%-H:%M}" for minutes in (-30, 0, 30)}
        after = f"{here + timedelta(hours=1):%-H:%M}"
        assert after in offered and missing.isdisjoint(offered)
    slots = await shop.page.get_by_text(after, exact=True).all()
    rows = {round((await slot.bounding_box())["y"]) for slot in slots}
    assert len(slots) > 1 and len(rows) == 1  # the same time of every day is in one row


async def test_times_are_shown_in_the_tutors_zone_when_it_is_chosen(shop):
    await shop.enter()
    await shop.page.get_by_role("link", name="Yuki Tanaka").click()
    slot = shop.page.locator(".slot").first
    key = await slot.get_attribute("data-key")
    begin = datetime.fromisoformat(key)
    await expect(slot).to_have_text(f"{begin.astimezone(shop.zone):%-H:%M}")
    await shop.page.get_by_label("Times in").select_option("Asia/Tokyo")
    there = begin.astimezone(ZoneInfo("Asia/Tokyo"))
    await expect(shop.page.locator(f'[data-key="{key}"]')).to_have_text(f"{there:%-H:%M}")
    await shop.page.locator(f'[data-key="{key}"]').click()
    await expect(shop.page.locator("#book [data-part=zone]")).to_have_text("Asia/Tokyo")
    await expect(shop.page.locator("#book [data-part=day]")).to_contain_text(f"{there:%-H:%M}")


async def test_a_seat_is_paid_and_left(people, shop):
    student = await shop.enter()
    await shop.go("#courses")
    offer = shop.page.locator(".card", has_text="Fractions, from the beginning")
    await expect(offer).to_contain_text("seats are left")
    await offer.get_by_role("button", name="Enroll and pay US$120.00").click()
    checkout = Checkout(shop.visitor)
    await checkout.pay()
    await checkout.shows("confirmed")
    await shop.page.get_by_role("link", name=checkout.text("continue")).click()
    await shop.lessons("Enrolled").get_by_role("button", name="Cancel …").click()
    await expect(shop.page.locator("#cancel-title")).to_have_text("Leave this course?")
    await shop.page.get_by_role("button", name="Yes, cancel").click()
    await expect(shop.lessons("Cancelled")).to_contain_text("US$120.00")
    assert await people.state(await saga_of(people, student)) == "COMPLETED"


async def test_the_tutor_sees_the_week_and_blocks_time(people, shop):
    start = lesson_time(days=6, hour=9)
    made = await people.book(shop.demo.tutor, start)
    await shop.enter("Nora")
    await shop.go(f"#week/{start:%Y-%m-%d}")
    page = shop.page
    await expect(page.locator(f'.held[data-key="held-{made.booking_id}"]')).to_be_visible()
    await people.pay(made.payment_intent_id)
    await page.get_by_role("button", name="Block time …").click()
    begin = start.astimezone(shop.zone) + timedelta(hours=2)
    await page.locator("#block [name=from]").fill(f"{begin:%Y-%m-%dT%H:%M}")
    await page.locator("#block [name=to]").fill(f"{begin + timedelta(hours=1):%Y-%m-%dT%H:%M}")
    await page.locator("#block [name=reason]").fill("Dentist")
    await page.locator("#block").get_by_role("button", name="Block time").click()
    block = page.locator(".blocked", has_text="Dentist")
    await block.click()
    await page.get_by_role("button", name="Give the time back").click()
    await expect(block).to_have_count(0)
    await expect(page.locator(f'.booked[data-key="booked-{made.booking_id}"]')).to_be_visible()


async def test_the_tutor_publishes_hours_and_is_told_which_field_is_wrong(shop):
    await shop.enter("Nora")
    await shop.go("#hours")
    await expect(shop.page.locator("[name=MONDAY]")).to_have_value("08:00-20:00")
    await shop.page.get_by_role("button", name="Publish").click()
    await expect(shop.page.locator("[data-part=saved]")).to_have_text("Published. This is what students see now.")
    await shop.go("#week")
    await expect(shop.page.locator(".day .open")).to_have_text(["Open: 8:00\u00a0– 20:00"] * 7)
    await shop.go("#hours")
    await shop.page.locator("[name=MONDAY]").fill("nine to five")
    await shop.page.get_by_role("button", name="Publish").click()
    await expect(shop.page.locator("[name=MONDAY]:invalid")).to_be_focused()
