"""Declined cards, wrong amounts: never confirmed unpaid, never kept unearned."""

from __future__ import annotations

from uuid import UUID

from tests.people import People, lesson_time
from tutormesh.booking.v1 import booking_pb2
from tutormesh.payment.v1 import payment_pb2

DECLINED = "pm_card_chargeDeclined"


async def test_16_declined_once_then_a_good_card_is_confirmed(people: People) -> None:
    booked = await people.book(await people.tutor(), lesson_time())
    assert (await people.pay(booked.payment_intent_id, DECLINED)).status_code == 402
    await people.until_event(booked.saga_id, "payment_declined")
    assert await people.state(booked.saga_id) == "AWAITING_PAYMENT"
    await people.pay(booked.payment_intent_id)
    await people.until_state(booked.saga_id, "COMPLETED")


async def test_16_declined_for_good_frees_the_slot_and_closes_the_intent(people: People) -> None:
    booked = await people.book(await people.tutor(), lesson_time())
    for _ in range(3):
        await people.pay(booked.payment_intent_id, DECLINED)
    await people.until_state(booked.saga_id, "PAYMENT_FAILED")
    assert (await people.booking(booked.booking_id)).status == booking_pb2.BOOKING_STATUS_PAYMENT_FAILED
    assert (await people.payment(booked.payment_id)).status == payment_pb2.PAYMENT_STATUS_FAILED
    assert (await people.intent(booked.payment_intent_id))["status"] == "canceled"
    assert await people.claims(booked.saga_id) == []


async def test_16_a_decline_told_many_times_counts_once(people: People) -> None:
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id, DECLINED)
    await people.until_event(booked.saga_id, "payment_declined")
    event = await people.event(booked.payment_intent_id, "payment_intent.payment_failed")
    for number in range(4):
        await people.send_event({**event, "id": f"{event['id']}_{number}"})
    assert await people.state(booked.saga_id) == "AWAITING_PAYMENT"


async def test_17_another_amount_is_never_confirmed_and_goes_back_in_full(people: People) -> None:
    booked = await people.book(await people.tutor(), lesson_time())
    await people.update_intent(booked.payment_intent_id, amount=100)
    await people.pay(booked.payment_intent_id)
    await people.until_state(booked.saga_id, "REFUNDED")
    assert (await people.booking(booked.booking_id)).status == booking_pb2.BOOKING_STATUS_CANCELLED
    assert [refund["amount"] for refund in await people.refunds_of(booked.payment_intent_id)] == [100]
    assert await people.claims(booked.saga_id) == []


async def test_17_another_currency_is_never_confirmed(people: People) -> None:
    booked = await people.book(await people.tutor(), lesson_time())
    await people.world.sql(
        "payment",
        "update saga set context = jsonb_set(context, '{price,currency}', '\"EUR\"') where id = $1",
        UUID(booked.saga_id),
    )
    await people.pay(booked.payment_intent_id)
    await people.until_state(booked.saga_id, "REFUNDED")
    assert len(await people.refunds_of(booked.payment_intent_id)) == 1


async def test_an_amount_the_provider_never_takes_undoes_the_booking(people: People) -> None:
    tutor = await people.tutor(rate=10, currency="LBP")  # the sandbox's account settles in USD: that is no cent
    booked = await people.book(tutor, lesson_time())
    assert (booked.saga_state, booked.client_secret) == ("PAYMENT_FAILED", "")
    assert (await people.booking(booked.booking_id)).status == booking_pb2.BOOKING_STATUS_PAYMENT_FAILED
    assert await people.claims(booked.saga_id) == []
