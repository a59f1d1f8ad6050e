"""A student listens to a booking or an enrollment while it is sold: each state is pushed, in order, to the end."""

from __future__ import annotations

from tests.bff.live import ENROLLED, listening
from tests.learners import enrolled, leave
from tests.people import People, lesson_time
from tests.world import World

EVENTS = """subscription($id: ID!) { bookingUpdated(bookingId: $id) {
  status session { status } payment { status refunded { amountMinor } } timeline { event } } }"""


async def test_a_student_hears_of_the_payment_and_of_the_cancel(world: World, people: People) -> None:
    booked = await people.booked(await people.tutor(), lesson_time())
    student = world.token("student", subject=booked.student)
    async with listening(world.bff_url.removeprefix("http://"), student) as listener:
        await listener.subscribe(booked.booking)
        assert await listener.status() == "PAYMENT_REQUIRED"
        await people.pay(booked.intent)
        assert await listener.status() == "CONFIRMED"
        await people.cancel(booked)
        assert await listener.status() == "CANCELLED"
        assert await listener.heard() == {"type": "complete", "id": "1"}


async def test_a_student_hears_of_a_seat_as_of_a_lesson(world: World, people: People) -> None:
    place = await enrolled(people)
    student = world.token("student", subject=place.student)
    async with listening(world.bff_url.removeprefix("http://"), student) as listener:
        await listener.subscribe(place.id, query=ENROLLED)
        assert await listener.status() == "PAYMENT_REQUIRED"
        await people.pay(place.intent)
        assert await listener.status() == "ACTIVE"
        await leave(people, place)
        assert await listener.status() == "CANCELLED"
        assert await listener.heard() == {"type": "complete", "id": "1"}


async def test_an_event_tells_everything_a_query_tells(world: World, people: People) -> None:
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "COMPLETED")
    student = world.token("student", subject=booked.student)
    async with listening(world.bff_url.removeprefix("http://"), student) as listener:
        await listener.subscribe(booked.booking, query=EVENTS)
        told = (await listener.heard())["payload"]["data"]["bookingUpdated"]
        await people.cancel(booked)
        last = (await listener.heard())["payload"]["data"]["bookingUpdated"]
    assert (told["status"], told["session"]["status"], told["payment"]["status"]) == (*["CONFIRMED"] * 2, "SUCCEEDED")
    assert {"created", "confirmed"} <= {entry["event"] for entry in told["timeline"]}
    assert (last["status"], last["session"]["status"]) == ("CANCELLED", "CANCELLED")
