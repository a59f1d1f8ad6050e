"""The page to manage a purchase: what each of its two people sees of it, and how it is cancelled."""

from __future__ import annotations

from uuid import UUID

import pytest
from icalendar import Calendar
from playwright.async_api import expect

from tests.pages.purchases import Managing
from tests.people import lesson_time, wait_until
from tutormesh.booking.v1 import booking_pb2


@pytest.fixture
async def sold(people):
    """A lesson that is paid and confirmed."""
    booked = await people.booked(
        await people.tutor(display_name="Nora Field", listed=False), lesson_time(), timezone="Europe/Berlin"
    )
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "COMPLETED")
    return booked


async def test_the_confirmed_checkout_leads_to_the_page_and_the_page_into_the_lesson(people, checkout, lesson):
    await checkout.open(lesson.checkout_url)
    await checkout.pay()
    await checkout.shows("confirmed")
    await checkout.page.get_by_role("link", name=checkout.text("manage")).click()
    managing = Managing(checkout.visitor)
    await managing.shows("confirmed")
    session = await people.session(lesson.session_id)
    await expect(checkout.page.locator("#join-link")).to_have_attribute("href", session.meeting_link)


async def test_the_student_cancels_after_reading_the_quote(people, managing, sold, links):
    await managing.open(links.manage(sold, "STUDENT"))
    quote = await managing.ask_for_a_quote()
    await expect(quote).to_have_text(managing.text("quote_student", amount="US$50.00", percent="100%"))
    await expect(managing.page.locator("#quote")).to_contain_text(managing.text("quote_lasting"))
    assert await people.state(sold.saga) == "COMPLETED"
    assert (await people.booking(sold.booking)).status == booking_pb2.BOOKING_STATUS_CONFIRMED
    await managing.cancel()
    await managing.shows("cancelled")
    await expect(managing.page.locator("#refund")).to_contain_text("US$50.00")
    (refund,) = await wait_until(lambda: people.refunds_of(sold.intent), bool)
    assert refund["amount"] == 5000


async def test_the_student_who_is_late_sees_that_nothing_goes_back_and_the_tutor_that_all_does(
    people, open_window, managing, sold, links
):
    await people.let_the_lesson_begin_in(sold, hours=1)
    await managing.open(links.manage(sold, "STUDENT"))
    await expect(await managing.ask_for_a_quote()).to_have_text(managing.text("quote_nothing_student"))
    await managing.page.keyboard.press("Escape")
    tutors = Managing(await open_window())
    await tutors.open(links.manage(sold, "TUTOR"))
    quote = await tutors.ask_for_a_quote()
    await expect(quote).to_have_text(tutors.text("quote_tutor", amount="US$50.00", percent="100%"))
    await tutors.cancel()
    await tutors.shows("cancelled")
    (refund,) = await wait_until(lambda: people.refunds_of(sold.intent), bool)
    assert refund["amount"] == 5000
    await managing.page.reload()
    await managing.shows("cancelled")


async def test_looking_changes_nothing(people, managing, sold, links):
    ask = "select fence, updated_at from saga where booking_id = $1"
    before = await people.world.sql("payment", ask, UUID(sold.booking))
    await managing.open(links.manage(sold, "STUDENT"))
    await managing.ask_for_a_quote()
    await managing.page.get_by_role("button", name=managing.text("quote_keep")).click()
    await expect(managing.page.locator("#quote")).to_be_hidden()
    await expect(managing.page.locator("#cancel-start")).to_be_focused()
    assert await people.world.sql("payment", ask, UUID(sold.booking)) == before


async def test_the_calendar_file_is_downloaded_and_has_no_link_that_is_a_secret(managing, sold, links):
    await managing.open(links.manage(sold, "STUDENT"))
    async with managing.page.expect_download() as downloading:
        await managing.page.get_by_role("link", name=managing.text("calendar")).click()
    path = await (await downloading.value).path()
    text = path.read_text()
    (event,) = Calendar.from_ical(text).walk("VEVENT")
    assert str(event["UID"]).startswith(sold.booking)
    assert "lk_" not in text and "meet" not in text.lower()


async def test_a_wrong_link_is_answered_alike_whatever_is_wrong_with_it(open_window, people, sold, links, lesson):
    good = links.manage(sold, "STUDENT")
    wrong = {
        "cut off": good[:-1],
        "one letter": good[:-5] + ("A" if good[-5] != "A" else "B") + good[-4:],
        "another purpose": good.replace("/manage/", "/checkout/"),
        "a page to pay on, managed": lesson.checkout_url.replace("/checkout/", "/manage/"),
        "over": links.manage(sold, "STUDENT", seconds=-1),
        "over, to pay": links.manage(sold, "STUDENT", seconds=-1, purpose="checkout"),
        "another key, to pay": links.manage(sold, "STUDENT", secret="x" * 40, purpose="checkout"),
        "another key": links.manage(sold, "STUDENT", secret="x" * 40),
        "no token at all": f"{people.world.bff_url}/manage/None",
    }
    visitor = await open_window()
    with visitor.expecting(404):
        answers = [await visitor.context.request.get(url) for url in wrong.values()]
        assert {(answer.status, await answer.text()) for answer in answers} == {(404, await answers[0].text())}
        await visitor.page.goto(wrong["over"])
        await expect(visitor.page.locator("main")).to_contain_text("This link does not work")
