"""A payment that arrives while its saga is undone and cannot reach the provider: the event is the news, and is enough."""

from __future__ import annotations

import asyncio

import pytest

from mesh.errors import TryAgain
from tests.learners import enrolled, let_the_seat_lapse
from tests.learners import status as status_of_place
from tests.payment.faults import ALWAYS, put_to_sleep, told_by
from tests.payment.settling.test_refused_refunds import CANCELLED, PAID, REFUNDED, told, until_told
from tests.people import Booked, People, lesson_time, wait_until
from tests.world import StallAt, World
from tutormesh.booking.v1 import booking_pb2

CONFIRMED, ACTIVE = booking_pb2.BOOKING_STATUS_CONFIRMED, 2


async def cut_off(people: People, intent: str) -> None:
    """The provider cannot be asked about this intent any more; its events arrive."""
    path = f"/v1/payment_intents/{intent}"
    await people.fault(f"{path}/cancel", "error_before", times=ALWAYS)
    await people.fault(path, "error_before", times=ALWAYS, method="GET")


async def backing_off(people: People, *, cancelled: bool) -> Booked:
    """A booking whose undo cannot close its intent, and sleeps."""
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.webhooks("paused")
    await cut_off(people, booked.intent)
    if cancelled:
        with pytest.raises(TryAgain):
            await people.cancel(booked)
    else:
        await people.let_the_hold_end(booked.saga)
    await put_to_sleep(people, booked.saga)
    return booked


async def test_13_a_payment_that_an_expired_hold_yields_to_is_heard_without_the_provider(people: People) -> None:
    booked = await backing_off(people, cancelled=False)
    await people.pay(booked.intent)
    await people.webhooks("normal")
    await people.until_state(booked.saga, "COMPLETED")
    assert (await people.booking(booked.booking)).status == CONFIRMED
    assert await people.refunds_of(booked.intent) == []


async def test_13_the_same_for_a_seat_in_a_course(people: People) -> None:
    place = await enrolled(people)
    await people.webhooks("paused")
    await cut_off(people, place.intent)
    await let_the_seat_lapse(people, place)
    await put_to_sleep(people, place.saga)
    await people.pay(place.intent)
    await people.webhooks("normal")
    await people.until_state(place.saga, "COMPLETED")
    assert await status_of_place(people, place) == ACTIVE


async def test_13_a_payment_that_races_a_cancel_is_heard_and_goes_back(people: People) -> None:
    booked = await backing_off(people, cancelled=True)
    await people.pay(booked.intent)
    await people.webhooks("normal")
    await people.until_state(booked.saga, "REFUNDED")
    assert (await people.booking(booked.booking)).status == CANCELLED
    await until_told(people, booked.payment, REFUNDED, 5000, 0, PAID)
    assert "paid_while_undone" in await told_by(people, booked.saga)
    assert (await people.cancel(booked)).refund.amount_minor == 5000


async def test_13_a_late_payment_of_another_amount_goes_back_whole(people: People) -> None:
    booked = await backing_off(people, cancelled=False)
    await people.no_faults()
    await people.update_intent(booked.intent, amount=700)
    await cut_off(people, booked.intent)
    await people.pay(booked.intent)
    await people.webhooks("normal")
    await people.until_state(booked.saga, "REFUNDED")
    assert [refund["amount"] for refund in await people.refunds_of(booked.intent)] == [700]


async def test_13_the_event_is_heard_once(people: People) -> None:
    booked = await backing_off(people, cancelled=True)
    await people.pay(booked.intent)
    await people.webhooks("duplicate")
    await people.until_state(booked.saga, "REFUNDED")
    await people.redeliver((await people.event(booked.intent, "payment_intent.succeeded"))["id"])
    await people.no_faults()
    await people.at_rest()
    assert (await told_by(people, booked.saga)).count("paid_while_undone") == 1
    assert await told(people, booked.payment) == (REFUNDED, 5000, 0, PAID)


async def test_13_an_intent_that_somebody_cancels_at_the_provider_wakes_the_undo(people: People) -> None:
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.webhooks("paused")
    await people.fault(f"/v1/payment_intents/{booked.intent}/cancel", "error_after", times=1)
    await people.fault(f"/v1/payment_intents/{booked.intent}", "error_before", times=1, method="GET")
    await people.let_the_hold_end(booked.saga)
    await put_to_sleep(people, booked.saga)
    await people.webhooks("normal")
    await people.until_state(booked.saga, "EXPIRED")


async def test_13_a_cancel_whose_answer_is_lost_looks_at_the_intent(people: People) -> None:
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.webhooks("drop")
    await people.fault(f"/v1/payment_intents/{booked.intent}/cancel", "error_before", times=ALWAYS)
    await people.pay(booked.intent)
    await people.let_the_hold_end(booked.saga)
    await people.until_state(booked.saga, "COMPLETED")


@pytest.mark.usefixtures("no_replica")
async def test_13_a_run_that_is_closing_the_intent_when_the_event_comes_changes_nothing_more(
    people: People, world: World
) -> None:
    stall = StallAt("before cancel_intent")
    await world.start_replica(stall)
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.webhooks("paused")
    await people.let_the_hold_end(booked.saga)
    await asyncio.wait_for(stall.reached.wait(), 10)
    await people.pay(booked.intent)
    await people.webhooks("normal")
    await wait_until(lambda: people.state(booked.saga), lambda state: state == "COMPLETED")
    stall.go.set()
    await people.at_rest()
    assert await people.state(booked.saga) == "COMPLETED"
    assert await people.refunds_of(booked.intent) == []
