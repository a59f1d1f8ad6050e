"""Queries over all subgraphs through a real gateway, and the number of calls that a long list costs."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import UUID, uuid4

import pytest_asyncio

from tests.bff.live import listening
from tests.federation.conftest import Gateway, acting
from tests.learners import enroll
from tests.people import Booked, People, lesson_time
from tests.world import World

EVERYTHING = """
query Everything($booking: ID!, $tutor: ID!, $from: AWSDateTime!, $to: AWSDateTime!) {
  booking(id: $booking) {
    course { title instructor { id } seats }
    status price { display } tutor { id } student { id } timeline { service event }
    session { status durationMinutes booking { purpose } }
    payment { status amount { display } refunded { amountMinor } }
  }
  tutorAvailability(tutorId: $tutor, from: $from, to: $to) { start price { display } }
  getMyEnrollments { nodes { status course { title } student { id } payment { status context } } }
}
"""
SUBGRAPHS = {"availability", "bookings", "learning", "payments", "sessions"}
LIST = """
query($first: Int!) { getMyBookings(first: $first) { nodes {
  id status session { id status } payment { id status amount { display } } course { title } timeline { event } } } }
"""
PLACES = """
query($first: Int!) { getMyEnrollments(first: $first) { nodes { id course { id title } payment { id status } } } }
"""


@pytest_asyncio.fixture
async def sold(people: People) -> Booked:
    """A lesson of a course, paid and confirmed."""
    tutor = await people.tutor()
    course = await people.course(instructor_id=str(tutor), title="Fractions", seats=7)
    booked = await people.booked(tutor, lesson_time(), course_id=course.id)
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "COMPLETED")
    return booked


async def test_one_query_crosses_all_subgraphs(world: World, people: People, gateway: Gateway, sold: Booked) -> None:
    place = await enroll(people, (await people.course(title="Roots")).id, sold.student)
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
    assert booking["course"] == {"title": "Fractions", "instructor": {"id": str(sold.tutor)}, "seats": 7}
    assert answer.data["tutorAvailability"][0]["price"] == {"display": "$50.00"}
    (enrollment,) = answer.data["getMyEnrollments"]["nodes"]
    assert enrollment == {
        "status": "PAYMENT_REQUIRED",
        "course": {"title": "Roots"},
        "student": {"id": str(sold.student)},
        "payment": {"status": "PENDING", "context": "COURSE_ENROLLMENT"},
    }
    assert place.payment_intent_id
    assert set(answer.asked) == SUBGRAPHS


async def test_another_person_and_nobody_get_nothing_through_the_gateway(
    world: World, gateway: Gateway, sold: Booked
) -> None:
    query = "query($booking: ID!) { booking(id: $booking) { session { id } payment { id } } }"
    for token, code in ((world.token("student", subject=uuid4()), "NOT_FOUND"), ("none", "UNAUTHENTICATED")):
        answer = await gateway.ask(token, query, booking=sold.booking)
        assert (answer.data or {"booking": None}) == {"booking": None}
        assert code in {error["extensions"]["code"] for error in answer.errors}


async def test_a_gateway_subscribes_at_the_bookings_subgraph(world: World, sold: Booked) -> None:
    address, token = world.bff_url.removeprefix("http://"), world.token("student", subject=sold.student)
    async with listening(address, token, path="/subgraphs/bookings") as listener:
        await listener.subscribe(sold.booking)
        assert await listener.status() == "CONFIRMED"


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


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hundred_lessons(world: World) -> UUID:
    """A tutor with a hundred lessons, each of a student of its own, paid and confirmed."""
    few = asyncio.Semaphore(8)
    async with acting(world) as people:
        tutor = await people.tutor()

        async def sell(number: int) -> Booked:
            async with few:
                booked = await people.booked(tutor, lesson_time(hour=0) + timedelta(minutes=15 * number), minutes=15)
                await people.pay(booked.intent)
                return booked

        for booked in await asyncio.gather(*(sell(number) for number in range(100))):
            await people.until_state(booked.saga, "COMPLETED")
    return tutor


async def test_48_100_bookings_with_session_and_payment_cost_as_many_calls_as_one(
    world: World, gateway: Gateway, calls_of_the_edge: Counter[str], hundred_lessons: UUID
) -> None:
    token, counts = world.token("tutor", subject=hundred_lessons), {}
    for first in (1, 100):
        calls_of_the_edge.clear()
        nodes = (await gateway.data(token, LIST, first=first))["getMyBookings"]["nodes"]
        assert len({node["id"] for node in nodes}) == first
        assert {node["session"]["status"] for node in nodes} == {"CONFIRMED"}
        assert {node["payment"]["amount"]["display"] for node in nodes} == {"$12.50"}
        counts[first] = dict(calls_of_the_edge)
    assert counts[100] == counts[1]


async def test_48_many_enrollments_with_course_and_payment_cost_as_many_calls_as_one(
    world: World, people: People, gateway: Gateway, calls_of_the_edge: Counter[str]
) -> None:
    student = uuid4()
    for _ in range(12):  # each is paid, because three may be unpaid
        made = await enroll(people, (await people.course()).id, student)
        await people.pay(made.payment_intent_id)
        await people.until_state(made.saga_id, "COMPLETED")
    token, counts = world.token("student", subject=student), {}
    for first in (1, 12):
        calls_of_the_edge.clear()
        nodes = (await gateway.data(token, PLACES, first=first))["getMyEnrollments"]["nodes"]
        assert len({node["course"]["id"] for node in nodes}) == len({node["payment"]["id"] for node in nodes}) == first
        counts[first] = dict(calls_of_the_edge)
    assert counts[12] == counts[1]


async def test_48_100_bookings_cost_five_calls_without_a_gateway(
    world: World, people: People, calls_of_the_edge: Counter[str], hundred_lessons: UUID
) -> None:
    headers = {"authorization": f"Bearer {world.token('tutor', subject=hundred_lessons)}"}
    calls_of_the_edge.clear()
    body = {"query": LIST, "variables": {"first": 100}}
    answer = (await people.http.post(f"{world.bff_url}/graphql", json=body, headers=headers)).json()
    nodes = answer["data"]["getMyBookings"]["nodes"]
    assert len({node["session"]["id"] for node in nodes}) == len({node["payment"]["id"] for node in nodes}) == 100
    reads = ["BatchGetBookingTimelines", "BatchGetPayments", "BatchGetSessions", "BatchGetTimelines", "ListBookings"]
    assert calls_of_the_edge == dict.fromkeys(reads, 1)
