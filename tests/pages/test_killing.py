"""payment_svc dies by kill -9 while a page is paying: the page never calls the payment failed, and confirms it by itself."""

from __future__ import annotations

import os

import pytest

from tests.pages.payment_process import MOMENTS, payment_in_a_process
from tests.pages.purchases import Checkout
from tests.people import Booked, lesson_time

#: In which a process starts and does what waits for it, also on a machine that has much else to do.
START_SECONDS = 40
#: One moment in the gate; FULL=1 is the matrix. None: it dies before the page pays.
STRUCK = (None, *MOMENTS) if os.environ.get("FULL") else MOMENTS[2:3]


@pytest.mark.parametrize("moment", STRUCK, ids=lambda moment: str(moment or "nothing is paid"))
async def test_65_payment_svc_is_killed_while_a_page_pays(world, people, open_window, tmp_path, moment):
    async with payment_in_a_process(world, tmp_path) as process:
        booked, url = await book(people)
        checkout = Checkout(await open_window())
        await checkout.open(url)
        with checkout.visitor.expecting(503):
            await pay_and_kill(world, process, checkout, booked, moment)
            await checkout.shows("being_confirmed")
            process.start()
            await people.until_state(booked.saga, "COMPLETED", seconds=START_SECONDS)
            await checkout.come_back()
            await checkout.shows("confirmed")
        (intent,) = await people.intents_of(booked.saga)
        assert (intent["amount_received"], await people.refunds_of(intent["id"])) == (5000, [])
        assert len(checkout.visitor.answers(r"/checkout/lk_")) == 1


async def pay_and_kill(world, process, checkout, booked, moment) -> None:
    """Pay on the page, and kill payment_svc at the moment."""
    if moment is None:
        await process.kill()
        await checkout.pay()
        return
    async with moment.stopped_at(world, booked) as reached:
        await checkout.pay()
        await reached()
        await process.kill()


async def book(people) -> tuple[Booked, str]:
    """A lesson to pay for, and its page."""
    tutor = await people.tutor(display_name="Nora Field", listed=False)
    made = await people.book(tutor, lesson_time(), timeout=START_SECONDS)
    ids = (made.booking_id, made.saga_id, made.session_id, made.payment_id, made.payment_intent_id)
    return Booked(*ids, tutor, tutor), made.checkout_url
