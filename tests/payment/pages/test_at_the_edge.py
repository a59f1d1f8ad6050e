"""The pages at the edge of a whole mesh: from the link to pay on to the link to manage, over HTTP as a browser does it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest_asyncio

from payment_svc.links.tokens import LinkPerson
from tests.payment.pages.conftest import RETURNS, token_of
from tests.payment.pages.test_managing import manage_url, sell
from tests.people import People, lesson_time, wait_until
from tests.world import World

HOSTILE = "</title><script>alert(1)</script>"


class Browser:
    """Opens pages, and asks as their scripts do."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def open(self, page: str, token: str, more: str = "") -> httpx.Response:
        return await self._http.get(f"/{page}/{token}{more}")

    async def ask(self, method: str, path: str, token: str, **body: str) -> httpx.Response:
        return await self._http.request(method, f"/links/{path}", headers={"link-token": token}, json=body or None)

    async def data(self, method: str, path: str, token: str, **body: str) -> dict[str, Any]:
        answer = await self.ask(method, path, token, **body)
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser(world: World) -> AsyncIterator[Browser]:
    async with httpx.AsyncClient(base_url=world.bff_url, timeout=10) as http:
        yield Browser(http)


async def test_from_the_link_to_pay_on_to_a_cancelled_lesson(people: People, browser: Browser) -> None:
    tutor = await people.tutor(display_name="Ada")
    made = await people.book(tutor, lesson_time(), purpose=HOSTILE, timezone="Europe/Berlin", **RETURNS)
    token = token_of(made.checkout_url)
    page = await browser.open("checkout", token)
    assert page.status_code == 200
    assert "Lesson with Ada" in page.text and "$50.00" in page.text and "(Europe/Berlin)" in page.text
    assert HOSTILE not in page.text
    assert made.client_secret not in page.text
    open_now = await browser.data("GET", "checkout", token)
    assert (open_now["status"], open_now["attempts_left"]) == ("payment_required", 3)
    assert open_now["client_secret"] == made.client_secret
    assert 1700 < open_now["seconds_left"] <= 1800
    assert {name: open_now[name] for name in RETURNS} == RETURNS
    await people.pay(made.payment_intent_id)
    paid = await wait_until(
        lambda: browser.data("POST", "checkout/refresh", token), lambda told: told["status"] == "confirmed"
    )
    assert paid["client_secret"] is None
    token = token_of(paid["manage_url"])
    assert 'data-status="confirmed"' in (await browser.open("manage", token)).text
    assert made.booking_id in (await browser.open("manage", token, "/lesson.ics")).text
    quote = await browser.data("GET", "purchase/quote", token)
    assert (quote["refund"]["text"], quote["percent"]) == ("$50.00", "100%")
    cancelled = await browser.data("POST", "purchase/cancel", token, quote_token=quote["quote_token"], reason="ill")
    assert cancelled["refund"]["amount"] == "50.00"
    told = await browser.data("GET", "purchase", token)
    assert (told["status"], told["meeting_link"], told["is_cancellable"]) == ("cancelled", None, False)
    assert "STATUS:CANCELLED" in (await browser.open("manage", token, "/lesson.ics")).text


async def test_a_link_opens_its_own_page_alone(people: People, browser: Browser) -> None:
    made = await people.book(await people.tutor(), lesson_time())
    checkout, manage = token_of(made.checkout_url), token_of(manage_url(await sell(people), LinkPerson.STUDENT))
    forged = f"{checkout[:-1]}{'A' if checkout[-1] != 'A' else 'B'}"
    wrong = (("manage", checkout), ("checkout", manage), ("checkout", forged), ("manage", forged))
    for page, token in wrong:
        answer = await browser.open(page, token)
        assert (answer.status_code, "This link does not work" in answer.text) == (404, True)
    for method, path, token in (
        ("GET", "purchase", checkout),
        ("POST", "purchase/cancel", checkout),
        ("GET", "checkout", manage),
        ("POST", "checkout/refresh", manage),
        ("GET", "checkout", forged),
    ):
        assert (await browser.ask(method, path, token)).status_code == 404


async def test_the_tutors_link_acts_as_the_tutor(people: People, browser: Browser) -> None:
    booked = await sell(people, await people.tutor(display_name="Ada"))
    await people.let_the_lesson_begin_in(booked, 12)  # less than a day, more than two hours
    as_student, as_tutor = (token_of(manage_url(booked, person)) for person in (LinkPerson.STUDENT, LinkPerson.TUTOR))
    assert (await browser.data("GET", "purchase/quote", as_student))["percent"] == "50%"
    quote = await browser.data("GET", "purchase/quote", as_tutor)
    assert quote["percent"] == "100%"
    assert "the student gets everything back" in (await browser.open("manage", as_tutor)).text
    stolen = await browser.ask("POST", "purchase/cancel", as_student, quote_token=quote["quote_token"])
    assert (stolen.status_code, stolen.json()["error"]["code"]) == (409, "QUOTE_EXPIRED")


async def test_after_the_hold_no_page_has_a_secret_and_the_nearest_times_are_offered(
    people: People, browser: Browser
) -> None:
    made = await people.book(await people.tutor(), lesson_time())
    token = token_of(made.checkout_url)
    await people.let_the_hold_end(made.saga_id, grace_too=True)
    ended = await wait_until(lambda: browser.data("GET", "checkout", token), lambda told: told["status"] == "expired")
    assert (ended["client_secret"], ended["seconds_left"] <= 0, len(ended["free_times"])) == (None, True, 3)
    page = (await browser.open("checkout", token)).text
    assert "The nearest free times" in page and ended["free_times"][0]["text"] in page
