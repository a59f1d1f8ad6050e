"""A hold that ends while a page shows it: nobody pays too late, and the nearest free times are offered."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID

import asyncpg
from playwright.async_api import expect

from tests.people import lesson_time

SECRET = re.compile(r"pi_\w+_secret_\w+")
STATE = r"/links/checkout$"


async def let_the_hold_end_in(people, saga_id: str, seconds: float) -> None:
    """Move the hold's end, in the databases of all who tell it."""
    left = timedelta(seconds=seconds)
    for table in ("claim", "hold"):
        statement = f"update {table} set expires_at = clock_timestamp() + $2::interval where saga_id = $1"
        await people.world.sql("availability", statement, UUID(saga_id), left)
    statement = "update saga set hold_ends = clock_timestamp() + $2::interval where id = $1"
    await people.world.sql("payment", statement, UUID(saga_id), left)


async def tell_a_hold_of(people, booking_id: UUID, seconds: float) -> None:
    """Move the end that the booking tells. The rules of its row forbid this to everybody: they are off for once."""
    connection = await asyncpg.connect(people.world.urls["booking_svc"].replace("+asyncpg", ""))
    try:
        async with connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            statement = "update booking set hold_expires_at = clock_timestamp() + $2::interval where id = $1"
            await connection.execute(statement, booking_id, timedelta(seconds=seconds))
    finally:
        await connection.close()


async def test_65_a_hold_that_ends_while_the_page_is_open_disables_pay_ten_seconds_before(people, checkout, lesson):
    await checkout.open(lesson.checkout_url)
    assert SECRET.search(await checkout.visitor.received(STATE))
    await let_the_hold_end_in(people, lesson.saga_id, 11)
    await checkout.come_back()
    await expect(checkout.pay_button).to_be_disabled()
    minutes, seconds = (await checkout.page.locator("#countdown").inner_text()).split(":")
    assert (int(minutes), 5 < int(seconds) <= 10) == (0, True)
    assert await people.state(lesson.saga_id) == "AWAITING_PAYMENT"
    await people.let_the_hold_end(lesson.saga_id)
    await checkout.come_back()
    await checkout.shows("expired")
    await expect(checkout.page.locator("[data-panel=expired] [data-free-times] li")).to_have_count(3)
    assert not SECRET.search(await checkout.visitor.held())
    heard = len(checkout.visitor.answers())
    await checkout.page.reload()
    await checkout.shows("expired")
    assert not SECRET.search(await checkout.visitor.received(since=heard) + await checkout.visitor.held())


async def test_65_a_page_whose_hold_has_ended_gets_no_client_secret(people, checkout, lesson):
    await people.let_the_hold_end(lesson.saga_id)
    await people.until_state(lesson.saga_id, "EXPIRED")
    await checkout.page.goto(lesson.checkout_url)
    await checkout.shows("expired")
    assert not SECRET.search(await checkout.visitor.received() + await checkout.visitor.held())


async def test_65_the_shop_takes_no_payment_in_the_last_seconds_and_leads_to_other_times(people, shop):
    student = await shop.enter()
    await shop.book(lesson_time(days=4, hour=8), "later")
    await expect(shop.lessons("Unpaid")).to_have_count(1)
    saga = await saga_of(people, student)
    ((booking,),) = await people.world.sql("payment", "select booking_id from saga where id = $1", UUID(saga))
    await expect(shop.pay_link).to_be_visible()
    await let_the_hold_end_in(people, saga, 12.5)
    await tell_a_hold_of(people, booking, 12.5)
    await shop.page.reload()
    await expect(shop.lessons("Unpaid")).to_have_count(1)
    await expect(shop.pay_link).to_have_count(0)
    assert re.search(r"Still held for 0:(10|0[1-9])", await shop.lessons("Unpaid").inner_text())
    assert await people.state(saga) == "AWAITING_PAYMENT"
    await people.let_the_hold_end(saga)
    lapsed = shop.lessons("Not paid in time")
    await expect(lapsed).to_have_count(1)
    await lapsed.get_by_role("link", name="Find another time").click()
    await expect(shop.page.locator("h1")).to_have_text("Free times of Nora Field")
    await expect(shop.page.locator(f'[data-key^="{lesson_time(days=4, hour=8):%Y-%m-%dT%H:%M}"]')).to_be_visible()


async def saga_of(people, student: UUID) -> str:
    """The saga of the first order of a student."""
    ask = "select id::text from saga where student_id = $1 order by created_at limit 1"
    ((saga,),) = await people.world.sql("payment", ask, student)
    return saga
