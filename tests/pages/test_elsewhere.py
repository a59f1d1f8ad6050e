"""A provider with a page of its own: the page to pay on sends the person there once, and shows what became of it."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from playwright.async_api import Page, Route, expect

from tests.pages.purchases import Checkout
from tests.pages.test_hold_end import let_the_hold_end_in
from tests.people import Booked, lesson_time

PROVIDER = "https://pay.example.com"
#: A page of the provider's, with a link back to where the payer came from.
PAGE = "<!doctype html><html lang=en><title>Acme</title><link rel=icon href='data:,'><h1>Acme</h1><a href='{}'>Back</a>"


@pytest.fixture
async def sold(people) -> Booked:
    """A lesson that is paid at acme."""
    tutor, student = await people.tutor(display_name="Nora Field", listed=False), uuid4()
    start = lesson_time()
    order = {
        "student_uuid": str(student), "course_uuid": None, "instructor_uuid": str(tutor), "payment_engine": "acme",
        "start_time": start.isoformat(), "end_time": start.replace(hour=start.hour + 1).isoformat(),
    }  # fmt: skip
    made = await ask_as_service(people, "", order)
    ((saga,),) = await people.world.sql(
        "payment", "select id::text from saga where booking_id = $1", UUID(made["uuid"])
    )
    return Booked(made["uuid"], saga, "", "", made["payment_session_id"], student, tutor)


async def ask_as_service(people, path: str, body: dict[str, object]) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {people.world.token('service')}"}
    answer = await people.http.post(f"{people.world.bff_url}/api/v1/bookings{path}", json=body, headers=headers)
    answer.raise_for_status()
    return dict(answer.json()["data"])


@pytest.fixture
async def payer(open_window, links, sold) -> tuple[Checkout, str]:
    """A window that can reach the provider's page, and the link to pay."""
    checkout, url = Checkout(await open_window(PROVIDER)), links.manage(sold, "STUDENT", purpose="checkout")

    async def answer(route: Route) -> None:
        assert "referer" not in route.request.headers
        await route.fulfill(body=PAGE.format(url), content_type="text/html")

    await checkout.visitor.context.route(f"{PROVIDER}/**", answer)
    return checkout, url


async def expect_the_button(page: Page, sold: Booked) -> None:
    button = page.get_by_role("link", name="Continue to payment")
    await expect(button).to_have_attribute("href", f"{PROVIDER}/{sold.intent}")


async def test_the_person_is_sent_to_the_providers_page_once_and_back_here_sees_the_outcome(people, payer, sold):
    checkout, url = payer
    page = checkout.page
    await page.goto(url, wait_until="commit")
    await page.wait_for_url(f"{PROVIDER}/{sold.intent}")
    await page.go_back()
    await expect_the_button(page, sold)
    await page.get_by_role("link", name="Continue to payment").click()
    await page.wait_for_url(f"{PROVIDER}/{sold.intent}")
    await page.get_by_role("link", name="Back").click()
    await expect_the_button(page, sold)
    await expect(page.locator("#countdown")).to_contain_text("29:")
    report = {"payment_reference": sold.intent, "payment_status": "succeeded", "payment_engine": "acme"}
    await ask_as_service(people, f"/{sold.booking}/payment-callback", report)
    await checkout.come_back()
    await checkout.shows("confirmed")
    assert "lk_" not in await page.evaluate("() => JSON.stringify([sessionStorage, localStorage, document.cookie])")


async def test_nobody_is_sent_to_pay_when_no_time_is_left(people, payer, sold):
    checkout, url = payer
    await let_the_hold_end_in(people, sold.saga, 10)
    await checkout.page.goto(url)
    await expect(checkout.page.locator("#held")).to_have_text(checkout.text("too_late"))
    await expect(checkout.page.locator("#pay-elsewhere")).to_be_hidden()
    assert checkout.page.url == url
    await people.let_the_hold_end(sold.saga)
