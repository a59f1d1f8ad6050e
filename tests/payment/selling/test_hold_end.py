"""Payment against the hold's end: late payments, lost slots, races of both."""

from __future__ import annotations

import asyncio
from uuid import UUID

from mesh.errors import Refusal
from tests.people import People, lesson_time, wait_until
from tutormesh.booking.v1 import booking_pb2
from tutormesh.payment.v1 import payment_pb2

EXPIRED, CONFIRMED = booking_pb2.BOOKING_STATUS_EXPIRED, booking_pb2.BOOKING_STATUS_CONFIRMED


async def test_an_unpaid_booking_expires_by_itself(people: People) -> None:
    booked = await people.book(await people.tutor(), lesson_time())
    await people.let_the_hold_end(booked.saga_id)
    await people.until_state(booked.saga_id, "EXPIRED")
    assert (await people.booking(booked.booking_id)).status == EXPIRED
    assert (await people.intent(booked.payment_intent_id))["status"] == "canceled"
    assert (await people.payment(booked.payment_id)).status == payment_pb2.PAYMENT_STATUS_CANCELLED
    assert await people.claims(booked.saga_id) == []


async def test_05_an_old_owner_who_pays_while_another_claims_wins_or_gets_the_money_back_once(people: People) -> None:
    for _ in range(4):
        tutor = await people.tutor()
        late = await people.book(tutor, lesson_time())
        await people.world.sql(
            "availability",
            "update claim set expires_at = clock_timestamp() - interval '1 hour' where saga_id = $1",
            UUID(late.saga_id),
        )
        _, other = await asyncio.gather(
            people.pay(late.payment_intent_id), people.book(tutor, lesson_time()), return_exceptions=True
        )
        ended = await people.until_state(late.saga_id, "COMPLETED", "REFUNDED")
        refunds = [refund["amount"] for refund in await people.refunds_of(late.payment_intent_id)]
        if isinstance(other, BaseException):
            assert isinstance(other, Refusal) and other.reason == "SLOT_TAKEN"
            assert (ended, refunds) == ("COMPLETED", [])
        else:
            assert (ended, refunds) == ("REFUNDED", [5000])
            assert await people.claims(other.saga_id) == ["HELD", "HELD"]


async def test_11_paid_in_time_with_a_webhook_hours_late_is_confirmed_when_the_slot_is_free(people: People) -> None:
    await people.webhooks("paused")
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id)
    await people.let_the_hold_end(booked.saga_id, grace_too=True)
    await people.until_state(booked.saga_id, "COMPLETED")
    await people.webhooks("normal")
    assert (await people.booking(booked.booking_id)).status == CONFIRMED
    assert await people.refunds_of(booked.payment_intent_id) == []


async def test_12_paid_in_time_but_the_slot_went_to_another_is_refunded_once(people: People) -> None:
    tutor = await people.tutor()
    await people.webhooks("paused")
    late = await people.book(tutor, lesson_time())
    await people.pay(late.payment_intent_id)
    await people.world.sql(
        "payment", "update saga set wake_at = clock_timestamp() + interval '1 hour' where id = $1", UUID(late.saga_id)
    )
    await people.world.sql(
        "availability",
        "update claim set expires_at = clock_timestamp() - interval '1 hour' where saga_id = $1",
        UUID(late.saga_id),
    )
    other = await people.book(tutor, lesson_time())
    await people.world.sql(
        "payment",
        "update saga set hold_ends = clock_timestamp() - interval '1 hour' where id = $1",
        UUID(late.saga_id),
    )
    await people.webhooks("normal")
    await people.until_state(late.saga_id, "REFUNDED")
    await people.pay(other.payment_intent_id)
    await people.until_state(other.saga_id, "COMPLETED")
    assert (await people.booking(late.booking_id)).status == EXPIRED
    assert (await people.booking(other.booking_id)).status == CONFIRMED
    assert [refund["amount"] for refund in await people.refunds_of(late.payment_intent_id)] == [5000]
    payment = await people.payment(late.payment_id)
    assert (payment.status, payment.refunded.amount_minor) == (payment_pb2.PAYMENT_STATUS_REFUNDED, 5000)


async def test_13_a_cancel_that_fails_because_it_was_just_paid_goes_on_to_confirm(people: People) -> None:
    await people.webhooks("drop")
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id)
    await people.let_the_hold_end(booked.saga_id)
    await people.until_state(booked.saga_id, "COMPLETED")
    assert (await people.booking(booked.booking_id)).status == CONFIRMED
    assert (await people.payment(booked.payment_id)).status == payment_pb2.PAYMENT_STATUS_SUCCEEDED


async def test_14_hold_end_and_success_on_two_replicas_have_one_outcome(people: People) -> None:
    second = await people.world.start_replica()
    try:
        for _ in range(5):
            booked = await people.book(await people.tutor(), lesson_time())
            await people.let_the_hold_end(booked.saga_id)
            paid = await people.pay(booked.payment_intent_id)
            ended = await people.until_state(booked.saga_id, "COMPLETED", "EXPIRED", "REFUNDED")
            assert (ended == "COMPLETED") == (paid.status_code == 200)
            confirmed = (await people.booking(booked.booking_id)).status == CONFIRMED
            assert confirmed == (ended == "COMPLETED")
    finally:
        await people.world.stop_replica(second)


async def test_19_an_authentication_is_waited_for_and_completes_the_lesson(people: People) -> None:
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id, "pm_card_authenticationRequired")
    assert (await people.intent(booked.payment_intent_id))["status"] == "requires_action"
    assert await people.state(booked.saga_id) == "AWAITING_PAYMENT"
    await people.authenticate(booked.payment_intent_id)
    await people.until_state(booked.saga_id, "COMPLETED")


async def test_an_intent_cancelled_by_hand_cancels_the_booking(people: People) -> None:
    booked = await people.book(await people.tutor(), lesson_time())
    await people.cancel_intent(booked.payment_intent_id)
    await people.until_state(booked.saga_id, "CANCELLED")
    assert (await people.booking(booked.booking_id)).status == booking_pb2.BOOKING_STATUS_CANCELLED
    assert await people.claims(booked.saga_id) == []


async def test_a_lesson_that_began_before_the_money_was_seen_is_refunded(people: People) -> None:
    await people.webhooks("paused")
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id)
    await people.world.sql("availability", "delete from claim where saga_id = $1", UUID(booked.saga_id))
    earlier = ", ".join(f"{name} = {name} - interval '10 days'" for name in ("start_at", "end_at", "expires_at"))
    await people.world.sql("availability", f"update hold set {earlier} where saga_id = $1", UUID(booked.saga_id))
    await people.webhooks("normal")
    await people.until_state(booked.saga_id, "REFUNDED")
    refunds = await wait_until(lambda: people.refunds_of(booked.payment_intent_id), bool)
    assert len(refunds) == 1
