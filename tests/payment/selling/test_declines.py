"""Declined cards, wrong amounts: never confirmed unpaid, never kept unearned."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.people import People, lesson_time, wait_until
from tutormesh.booking.v1 import booking_pb2
from tutormesh.payment.v1 import payment_pb2, payment_pb2_grpc

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


async def test_16_a_student_sees_why_it_was_declined_and_how_often_it_may_be_tried(people: People) -> None:
    booked = await people.book(await people.tutor(), lesson_time())

    async def shown() -> tuple[str, int | None]:
        payment = await people.payment(booked.payment_id)
        left = payment.attempts_left if payment.HasField("attempts_left") else None
        return payment_pb2.DeclineReason.Name(payment.decline_reason).removeprefix("DECLINE_REASON_"), left

    assert await shown() == ("UNSPECIFIED", 3)
    for card, seen in (("InsufficientFunds", ("INSUFFICIENT_FUNDS", 2)), ("ExpiredCard", ("EXPIRED_CARD", 1))):
        await people.pay(booked.payment_intent_id, f"pm_card_chargeDeclined{card}")
        await wait_until(shown, lambda now, seen=seen: now == seen)  # type: ignore[misc]
    await people.pay(booked.payment_intent_id)
    await people.until_state(booked.saga_id, "COMPLETED")
    assert await shown() == ("UNSPECIFIED", None)


async def test_16_what_was_declined_for_good_keeps_its_reason_and_its_tutor_does_not_see_it(people: People) -> None:
    booked = await people.booked(await people.tutor(), lesson_time())
    for _ in range(3):
        await people.pay(booked.intent, DECLINED)
    await people.until_state(booked.saga, "PAYMENT_FAILED")
    payment = await people.payment(booked.payment)
    assert (payment.decline_reason, payment.attempts_left) == (payment_pb2.DECLINE_REASON_CARD_DECLINED, 0)
    token = people.world.token("tutor", subject=booked.tutor)
    stub: Any = people.stub(payment_pb2_grpc.PaymentServiceStub, "payment", "bff", token)
    seen = (await stub.GetPayment(payment_pb2.GetPaymentRequest(payment_id=booked.payment), timeout=5)).payment
    assert (seen.decline_reason, seen.HasField("attempts_left")) == (payment_pb2.DECLINE_REASON_UNSPECIFIED, False)


async def test_16_a_decline_without_a_charge_counts_as_no_attempt_but_says_why(people: People) -> None:
    """Stripe: a person who fails 3-D Secure leaves an error on the intent, and no charge."""
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id, DECLINED)
    await people.until_event(booked.saga_id, "payment_declined")
    event = await people.event(booked.payment_intent_id, "payment_intent.payment_failed")
    event["data"]["object"]["last_payment_error"] = {
        "code": "payment_intent_authentication_failure",
        "message": "secret",
    }
    for number in range(2):
        await people.send_event({**event, "id": f"{event['id']}_{number}"})
    payment = await people.payment(booked.payment_id)
    assert payment.decline_reason == payment_pb2.DECLINE_REASON_AUTHENTICATION_REQUIRED
    assert payment.attempts_left == 2


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
