"""The way of a booking, undisturbed."""

from __future__ import annotations

from uuid import uuid4

from tests.people import People, lesson_time
from tutormesh.booking.v1 import booking_pb2
from tutormesh.payment.v1 import payment_pb2
from tutormesh.session.v1 import session_pb2


async def test_a_paid_lesson_is_confirmed_everywhere(people: People) -> None:
    tutor = await people.tutor()
    booked = await people.book(tutor, lesson_time())
    assert booked.saga_state == "AWAITING_PAYMENT"
    assert booked.client_secret.startswith(booked.payment_intent_id)
    await people.pay(booked.payment_intent_id)
    await people.until_state(booked.saga_id, "COMPLETED")
    assert (await people.booking(booked.booking_id)).status == booking_pb2.BOOKING_STATUS_CONFIRMED
    assert (await people.session(booked.session_id)).status == session_pb2.SESSION_STATUS_CONFIRMED
    payment = await people.payment(booked.payment_id)
    assert (payment.status, payment.received_minor, payment.context_id) == (
        payment_pb2.PAYMENT_STATUS_SUCCEEDED,
        5000,
        booked.session_id,
    )
    assert await people.claims(booked.saga_id) == ["CONFIRMED", "CONFIRMED"]


async def test_the_call_that_records_a_booking_answers_with_it_and_a_repeat_does_not(people: People) -> None:
    tutor, student = await people.tutor(), uuid4()
    booked = await people.book(tutor, lesson_time(), student)
    assert booked.booking == await people.booking(booked.booking_id)
    repeated = await people.book(tutor, lesson_time(), student)
    assert (repeated.booking_id, repeated.HasField("booking")) == (booked.booking_id, False)


async def test_18_a_free_lesson_is_confirmed_in_the_call_without_an_intent(people: People) -> None:
    tutor = await people.tutor(rate=0)
    booked = await people.book(tutor, lesson_time())
    assert (booked.saga_state, booked.payment_intent_id, booked.client_secret) == ("COMPLETED", "", "")
    assert (await people.booking(booked.booking_id)).status == booking_pb2.BOOKING_STATUS_CONFIRMED
    assert await people.intents_of(booked.saga_id) == []
    assert not booked.HasField("booking")  # it was recorded as PAYMENT_REQUIRED
