"""51: lessons and courses in currencies with rules of their own, sold and taken back on the sandbox's real wire."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from mesh.clock import to_proto
from mesh.errors import BadInput
from mesh.money import Money
from payment_svc.providers.stripe_amounts import to_wire
from tests.learners import enrolled
from tests.people import Booked, People, lesson_time, wait_until
from tutormesh.availability.v1 import availability_pb2
from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceStub
from tutormesh.payment.v1 import payment_pb2
from tutormesh.payment.v1.payment_pb2_grpc import PaymentServiceStub

MINUTES = 50
#: A rate per hour, the price of MINUTES, half of it, and the price on Stripe's wire.
SALES = [
    pytest.param(Money(60_001, "UGX"), 50_001, 25_000, 5_000_100, id="UGX"),
    pytest.param(Money(5_001, "ISK"), 4_168, 2_084, 416_800, id="ISK"),
    pytest.param(Money(1_500, "KWD"), 1_250, 620, 1_250, id="KWD"),
    pytest.param(Money(2_001, "JPY"), 1_668, 834, 1_668, id="JPY"),
    pytest.param(Money(100_000_000, "IDR"), 83_333_333, 41_666_666, 83_333_333, id="IDR"),
    pytest.param(Money(2_500_000_000 // 2, "IDR"), 1_041_666_667, 520_833_334, 1_041_666_667, id="IDR, ten digits"),
    pytest.param(Money(5_001, "USD"), 4_168, 2_084, 4_168, id="USD"),
]


async def listed_price(people: People, tutor: Any) -> Money:
    stub = people.stub(AvailabilityServiceStub, "availability", "bff")
    request = availability_pb2.ListSlotsRequest(
        tutor_id=str(tutor), to=to_proto(lesson_time(4)), duration_minutes=MINUTES
    )
    getattr(request, "from").CopyFrom(to_proto(lesson_time()))
    slot = (await stub.ListSlots(request, timeout=5)).slots[0]
    return Money(slot.price.amount_minor, slot.price.currency)


async def sold(people: People, rate: Money) -> Booked:
    tutor = await people.tutor(rate.amount_minor, rate.currency)
    booked = await people.booked(tutor, lesson_time(), minutes=MINUTES)
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "COMPLETED")
    return booked


@pytest.mark.parametrize(("rate", "price", "half", "wire"), SALES)
async def test_51_what_is_shown_is_charged_and_given_back(
    people: People, rate: Money, price: int, half: int, wire: int
) -> None:
    booked = await sold(people, rate)
    intent = await people.intent(booked.intent)
    assert (intent["amount_received"], intent["currency"]) == (wire, rate.currency.lower())
    payment = await people.payment(booked.payment)
    shown = await listed_price(people, booked.tutor)
    assert shown == Money(price, rate.currency) == Money(payment.amount.amount_minor, payment.amount.currency)
    await people.let_the_lesson_begin_in(booked, 10)
    quote = await people.quote(booked)
    answer = await people.cancel(booked, quote_token=quote.token)
    assert (quote.percent, quote.refund.amount_minor, answer.refund.amount_minor) == (50, half, half)
    await people.until_state(answer.saga_id, "REFUNDED")
    assert [refund["amount"] for refund in await people.refunds_of(booked.intent)] == [half * wire // price]
    assert (await people.payment(booked.payment)).refunded.amount_minor == half


@pytest.mark.parametrize("code", ["UGX", "ISK", "KWD"])
async def test_a_payment_that_beats_the_cancel_comes_back_whole(people: People, code: str) -> None:
    await people.webhooks("drop")
    booked = await people.booked(await people.tutor(60_001, code), lesson_time(), minutes=MINUTES)
    await people.pay(booked.intent)
    await people.cancel(booked)
    await people.until_state(booked.saga, "REFUNDED")
    received = (await people.intent(booked.intent))["amount_received"]
    assert [refund["amount"] for refund in await people.refunds_of(booked.intent)] == [received]


@pytest.mark.parametrize("code", ["UGX", "ISK"])
async def test_a_hundredth_of_the_price_is_not_the_price(people: People, code: str) -> None:
    """An intent whose amount was sent without the two zeros that Stripe asks for."""
    booked = await people.booked(await people.tutor(50_000, code), lesson_time())
    await people.update_intent(booked.intent, amount=50_000)
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "REFUNDED")
    assert [refund["amount"] for refund in await people.refunds_of(booked.intent)] == [50_000]


@pytest.mark.parametrize(("code", "by_hand", "minor"), [("UGX", 1_000_000, 10_000), ("KWD", 10_000, 10_000)])
async def test_a_refund_made_by_hand_is_imported_in_our_units(
    people: People, code: str, by_hand: int, minor: int
) -> None:
    booked = await sold(people, Money(60_000, code))
    await people.refund_by_hand(booked.intent, by_hand)
    rows = await wait_until(lambda: people.refund_rows(booked), bool)
    assert [(row["amount_minor"], row["reason"]) for row in rows] == [(minor, "made_at_provider")]


@pytest.mark.parametrize(
    ("asked", "price"),
    [(Money(50_000, "UGX"), 50_000), (Money(1255, "KWD"), 1260), (Money(100_000_000, "IDR"), 100_000_000)],
)
async def test_51_a_course_costs_what_was_shown(people: People, asked: Money, price: int) -> None:
    course = await people.course(asked.amount_minor, asked.currency)
    assert course.price.amount_minor == price
    place = await enrolled(people, course)
    await people.pay(place.intent)
    await people.until_state(place.saga, "COMPLETED")
    assert (await people.intent(place.intent))["amount_received"] == to_wire(Money(price, asked.currency))


@pytest.mark.parametrize(
    ("amount", "currency"),
    [("0.49", "USD"), ("1.255", "KWD"), ("1000000", "UGX"), ("5", "IQD"), ("21474836.48", "IDR")],
)
async def test_a_price_that_a_service_names_must_be_one_that_can_be_charged(
    people: People, amount: str, currency: str
) -> None:
    request = payment_pb2.BookSessionRequest(
        student_id=str(uuid4()),
        tutor_id=str(await people.tutor()),
        start_time=to_proto(lesson_time()),
        duration_minutes=60,
        price=payment_pb2.AskedPrice(amount=amount, currency=currency),
    )
    service = people.stub(PaymentServiceStub, "payment", "bff", people.world.token("service"))
    with pytest.raises(BadInput) as refused:
        await service.BookSession(request, timeout=8)
    assert refused.value.field == "price.amount"
