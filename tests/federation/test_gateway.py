"""One query over all subgraphs through a real gateway, and how few calls a long list costs."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import UUID, uuid4

import pytest_asyncio

from tests.federation.conftest import Gateway
from tests.people import Booked, People, lesson_time
from tests.world import World

EVERYTHING = """
query Everything($booking: ID!, $tutor: ID!, $from: AWSDateTime!, $to: AWSDateTime!) {
  booking(id: $booking) {
    status price { display } tutor { id } student { id } timeline { service event }
    session { status durationMinutes booking { purpose } }
    payment { status amount { display } refunded { amountMinor } }
  }
  tutorAvailability(tutorId: $tutor, from: $from, to: $to) { start price { display } }
}
"""
LIST = """
query($first: Int!) { getMyBookings(first: $first) { nodes {
  id status session { id status } payment { id status amount { display } } timeline { event } } } }
"""


@pytest_asyncio.fixture
async def sold(people: People) -> Booked:
    """A lesson, paid and confirmed."""
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "COMPLETED")
    return booked


async def test_one_query_crosses_all_subgraphs(world: World, people: People, gateway: Gateway, sold: Booked) -> None:
    day = lesson_time(hour=0)
    variables = {"from": day.isoformat(), "to": (day + timedelta(hours=2)).isoformat()}
    student = world.token("student", subject=sold.student)
    answer = await gateway.ask(student, EVERYTHING, booking=sold.booking, tutor=str(sold.tutor), **variables)
    assert answer.errors == []
    booking = answer.data["booking"]
    assert (booking["status"], booking["price"]["display"]) == ("CONFIRMED", "$50.00")
    assert (booking["tutor"]["id"], booking["student"]["id"]) == (str(sold.tutor), str(sold.student))
    assert booking["session"] == {"status": "CONFIRMED", "durationMinutes": 60, "booking": {"purpose": None}}
    paid = {"status": "SUCCEEDED", "amount": {"display": "$50.00"}, "refunded": {"amountMinor": 0}}
    assert booking["payment"] == paid
    assert {entry["service"] for entry in booking["timeline"]} == {"booking", "payment"}
    assert answer.data["tutorAvailability"][0]["price"] == {"display": "$50.00"}
    assert set(answer.asked) == {"availability", "bookings", "payments", "sessions"}


async def test_a_stranger_and_nobody_get_nothing_through_the_gateway(
    world: World, gateway: Gateway, sold: Booked
) -> None:
    query = "query($booking: ID!) { booking(id: $booking) { session { id } payment { id } } }"
    for token, code in ((world.token("student", subject=uuid4()), "NOT_FOUND"), ("none", "UNAUTHENTICATED")):
        answer = await gateway.ask(token, query, booking=sold.booking)
        assert (answer.data or {"booking": None}) == {"booking": None}
        assert code in {error["extensions"]["code"] for error in answer.errors}


async def test_a_lesson_is_booked_and_cancelled_through_the_gateway(
    world: World, people: People, gateway: Gateway
) -> None:
    tutor, student = await people.tutor(), world.token("student", subject=uuid4())
    book = """mutation($tutor: ID!, $time: AWSDateTime!) { bookSession(tutorId: $tutor, time: $time) {
      clientSecret booking { id status session { id } payment { status } } userErrors { code } } }"""
    made = (await gateway.data(student, book, tutor=str(tutor), time=lesson_time().isoformat()))["bookSession"]
    assert made["clientSecret"] and made["userErrors"] == []
    assert made["booking"] | {"id": ""} == {
        "id": "",
        "status": "PAYMENT_REQUIRED",
        "session": None,
        "payment": {"status": "PENDING"},
    }
    cancel = """mutation($id: ID!) { cancelBooking(bookingId: $id) {
      booking { status payment { status } } refund { amountMinor } userErrors { code } } }"""
    gone = (await gateway.data(student, cancel, id=made["booking"]["id"]))["cancelBooking"]
    assert gone["booking"] == {"status": "CANCELLED", "payment": {"status": "CANCELLED"}}


async def hundred(people: People) -> UUID:
    """A tutor with a hundred lessons, each of a student of its own, paid and confirmed."""
    tutor = await people.tutor()
    few = asyncio.Semaphore(8)

    async def sell(number: int) -> Booked:
        async with few:
            booked = await people.booked(tutor, lesson_time(hour=0) + timedelta(minutes=15 * number), minutes=15)
            await people.pay(booked.intent)
            return booked

    sold = await asyncio.gather(*(sell(number) for number in range(100)))
    for booked in sold:
        await people.until_state(booked.saga, "COMPLETED")
    return tutor


async def test_100_bookings_with_session_and_payment_cost_as_many_calls_as_one(
    world: World, people: People, gateway: Gateway, calls_of_the_edge: Counter[str]
) -> None:
    token, counts = world.token("tutor", subject=await hundred(people)), {}
    for first in (1, 100):
        calls_of_the_edge.clear()
        nodes = (await gateway.data(token, LIST, first=first))["getMyBookings"]["nodes"]
        assert len({node["id"] for node in nodes}) == first
        assert {node["session"]["status"] for node in nodes} == {"CONFIRMED"}
        assert {node["payment"]["amount"]["display"] for node in nodes} == {"$12.50"}
        counts[first] = dict(calls_of_the_edge)
    assert counts[100] == counts[1]
