"""The provider does not know our intent (test data deleted, another account's key): nothing can be paid, so it ends."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.learners import active, enrolled, leave, let_the_seat_lapse
from tests.learners import status as status_of_place
from tests.payment.faults import alerted, sold
from tests.payment.settling.test_refused_refunds import CANCELLED, NEEDS_REVIEW, NONE, SUCCEEDED, told
from tests.people import Booked, People, lesson_time, wait_until
from tutormesh.booking.v1 import booking_pb2
from tutormesh.payment.v1 import payment_pb2 as pb
from tutormesh.payment.v1.payment_pb2_grpc import PaymentServiceStub

CLOSED = pb.PAYMENT_STATUS_CANCELLED
EXPIRED = booking_pb2.BOOKING_STATUS_EXPIRED


def forget(people: People, intent: str) -> None:
    """Stripe's data is deleted, or we ask with another account's key."""
    people.world.provider.execute("delete from object where id = ? or payment_intent = ?", (intent, intent))


async def waiting(people: People) -> Booked:
    booked = await people.booked(await people.tutor(), lesson_time())
    forget(people, booked.intent)
    return booked


async def report(people: People, booked: Booked) -> Any:
    """A service says that the booking was paid; for Stripe that is a hint."""
    stub = people.stub(PaymentServiceStub, "payment", "bff", people.world.token("service"))
    request = pb.HandlePaymentCallbackRequest(
        booking_id=booked.booking, payment_reference="r", payment_status=pb.CALLBACK_STATUS_SUCCEEDED
    )
    return await stub.HandlePaymentCallback(request, timeout=8)


async def reconciled(people: People, booked: Booked) -> int:
    await people.reconcile()
    return CANCELLED


async def reported(people: People, booked: Booked) -> int:
    assert (await report(people, booked)).saga_state == "CANCELLED"
    return CANCELLED


async def cancelled_by_its_student(people: People, booked: Booked) -> int:
    assert (await people.cancel(booked)).refund.amount_minor == 0
    return CANCELLED


async def its_hold_ends(people: People, booked: Booked) -> int:
    await people.let_the_hold_end(booked.saga)
    return EXPIRED


@pytest.mark.parametrize(
    "happens", [reconciled, reported, cancelled_by_its_student, its_hold_ends], ids=lambda way: way.__name__
)
async def test_54_a_booking_whose_intent_is_unknown_ends(
    people: People, capsys: pytest.CaptureFixture[str], happens: Any
) -> None:
    booked = await waiting(people)
    end = await happens(people, booked)
    await people.until_state(booked.saga, "CANCELLED", "EXPIRED")
    assert (await people.booking(booked.booking)).status == end
    assert await people.claims(booked.saga) == []
    assert await told(people, booked.payment) == (CLOSED, 0, 0, NONE)
    assert alerted(capsys.readouterr().out, "intent_unknown")
    again = await people.book(booked.tutor, lesson_time(), booked.student)
    assert again.saga_state == "AWAITING_PAYMENT"


async def test_54_the_same_for_a_seat_in_a_course(people: People) -> None:
    place = await enrolled(people)
    forget(people, place.intent)
    await let_the_seat_lapse(people, place)
    await people.until_state(place.saga, "EXPIRED")
    assert await status_of_place(people, place) == EXPIRED
    assert await people.seats_taken(place.course.id) == 0


async def test_54_a_provider_that_is_only_away_ends_nothing(people: People) -> None:
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.fault(f"/v1/payment_intents/{booked.intent}", "error_before", times=3, method="GET")
    await people.reconcile()
    assert await people.state(booked.saga) == "AWAITING_PAYMENT"
    await people.no_faults()
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "COMPLETED")


async def test_54_what_was_paid_by_an_intent_that_is_unknown_now_is_cancelled_and_waits_for_a_person(
    people: People,
) -> None:
    booked = await sold(people)
    forget(people, booked.intent)
    answers = [await people.cancel(booked) for _ in range(2)]
    assert [answer.refund.amount_minor for answer in answers] == [5000, 5000]
    assert await people.state(answers[0].saga_id) == "PARKED"
    assert (await people.booking(booked.booking)).status == CANCELLED
    assert await told(people, booked.payment) == (SUCCEEDED, 0, 0, NEEDS_REVIEW)


async def test_54_the_same_for_a_seat_that_was_paid(people: People) -> None:
    place = await active(people)
    forget(people, place.intent)
    assert (await leave(people, place)).refund.amount_minor == 5000
    assert await told(people, place.payment) == (SUCCEEDED, 0, 0, NEEDS_REVIEW)


async def test_54_an_undone_purchase_that_was_paid_does_not_forget_its_money(people: People) -> None:
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.fault("/v1/refunds", "error_before", times=100)
    await people.fault("/v1/refunds", "error_before", times=100, method="GET")
    await people.update_intent(booked.intent, amount=700)
    await people.pay(booked.intent)
    await people.until_backing_off(booked.saga)
    forget(people, booked.intent)
    await people.no_faults()
    await people.retry(booked.saga)
    await people.until_state(booked.saga, "PARKED")
    assert (await people.booking(booked.booking)).status == CANCELLED
    assert await told(people, booked.payment) == (SUCCEEDED, 0, 0, NEEDS_REVIEW)


async def test_54_a_parked_saga_whose_intent_is_unknown_can_be_resolved(people: People) -> None:
    booked = await waiting(people)
    park = """update saga set state = 'PARKED', wake_at = null, context = context || '{"parked_from": "AWAITING_PAYMENT"}',
              error = '{"code": "UNAVAILABLE", "reason": "", "message": "", "field": ""}' where id = $1"""
    await people.world.sql("payment", park, UUID(booked.saga))
    await people.resolve(booked.saga, "CANCELLED")
    await wait_until(lambda: people.state(booked.saga), lambda state: state == "CANCELLED")
