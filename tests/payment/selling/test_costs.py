"""What a sold lesson costs: write transactions per service, counted at the tables, and calls between services."""

from __future__ import annotations

from uuid import uuid4

from tests.learners import enrolled
from tests.people import People, lesson_time
from tests.world import World

SERVICES = ("payment", "availability", "booking", "session", "learning")
NONE = dict.fromkeys(SERVICES, 0)

# Each writing transaction leaves its id, once.
COUNT = """
do $$
declare name text;
begin
    create table if not exists write_log (xid xid8 primary key);
    create or replace function log_write() returns trigger language plpgsql as $f$
    begin insert into write_log values (pg_current_xact_id()) on conflict do nothing; return null; end $f$;
    for name in select tablename from pg_tables where schemaname = 'public' and tablename <> 'write_log' loop
        execute format('create or replace trigger log_write after insert or update or delete on %I
                        for each row execute function log_write()', name);
    end loop;
    truncate write_log;
end $$
"""


async def count_from_now(world: World) -> None:
    for service in SERVICES:
        await world.sql(service, COUNT)


async def writes(world: World) -> dict[str, int]:
    return {service: len(await world.sql(service, "select xid from write_log")) for service in SERVICES}


async def test_a_sold_lesson_costs_nine_write_transactions_four_of_them_in_payment(
    people: People, world: World
) -> None:
    tutor, student = await people.tutor(), uuid4()
    await count_from_now(world)
    booked = await people.book(tutor, lesson_time(), student, idempotency_key="k")
    await people.pay(booked.payment_intent_id)
    await people.until_state(booked.saga_id, "COMPLETED")
    assert await writes(world) == {**NONE, "payment": 4, "availability": 2, "booking": 2, "session": 1}


async def test_a_free_lesson_costs_three_write_transactions_in_payment(people: People, world: World) -> None:
    tutor = await people.tutor(rate=0)
    await count_from_now(world)
    await people.book(tutor, lesson_time())
    assert await writes(world) == {**NONE, "payment": 3, "availability": 2, "booking": 2, "session": 1}


async def test_a_repeat_while_it_awaits_payment_writes_nothing(people: People, world: World) -> None:
    tutor, student = await people.tutor(), uuid4()
    await people.book(tutor, lesson_time(), student)
    await count_from_now(world)
    await people.book(tutor, lesson_time(), student)
    assert await writes(world) == NONE


async def test_a_sold_seat_in_a_course_costs_six_write_transactions_four_of_them_in_payment(
    people: People, world: World
) -> None:
    course = await people.course(seats=5)
    await count_from_now(world)
    place = await enrolled(people, course, idempotency_key="k")
    await people.pay(place.intent)
    await people.until_state(place.saga, "COMPLETED")
    assert await writes(world) == {**NONE, "payment": 4, "learning": 2}


async def test_a_declined_attempt_costs_one_write_transaction(people: People, world: World) -> None:
    booked = await people.book(await people.tutor(), lesson_time())
    await count_from_now(world)
    await people.pay(booked.payment_intent_id, "pm_card_chargeDeclined")
    await people.until_event(booked.saga_id, "payment_declined")
    assert (await writes(world))["payment"] == 1


async def calls_from_now(world: World) -> list[str]:
    """The steps that a new replica takes."""
    seen: list[str] = []

    async def note(point: str) -> None:
        if point.startswith("before ") and point[7].isupper():
            seen.append(point[7:])

    for replica in list(world.replicas):
        await world.stop_replica(replica)
    await world.start_replica(note)
    return seen


async def test_a_sold_lesson_costs_five_calls_between_services(people: People, world: World) -> None:
    """Hold, create, confirm slot, create session, confirm booking; the edge adds its own two."""
    seen = await calls_from_now(world)
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id)
    await people.until_state(booked.saga_id, "COMPLETED")
    assert seen == ["HoldSlot", "CreateBooking", "ConfirmSlot", "CreateConfirmedSession", "ConfirmBooking"]


async def test_a_sold_seat_in_a_course_costs_two_calls_between_services(people: People, world: World) -> None:
    seen = await calls_from_now(world)
    place = await enrolled(people)
    await people.pay(place.intent)
    await people.until_state(place.saga, "COMPLETED")
    assert seen == ["HoldSeat", "CreateEnrollmentRecord"]
