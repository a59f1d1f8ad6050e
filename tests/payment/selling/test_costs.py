"""What a sold lesson costs: write transactions per service, counted at the tables, statements, bytes, and calls."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.learners import enrolled
from tests.people import People, lesson_time, wait_until
from tests.statements import Sent, sent_by
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


@pytest.fixture(scope="module")
def world_settings() -> dict[str, dict[str, Any]]:
    """A lease that no sale outlasts on a busy machine: its renewal would be counted as well."""
    return {"payment": {"saga_lease_seconds": 60.0, "stripe_timeout_seconds": 10.0}}


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


@contextlib.contextmanager
def sent_by_all(world: World) -> Iterator[list[Sent]]:
    """What the services send to their databases within this block."""
    with contextlib.ExitStack() as stack:
        databases = (*(replica.database for replica in world.replicas), *world.databases.values())
        yield [stack.enter_context(sent_by(database)) for database in databases]


def count_statements(sent: list[Sent]) -> int:
    """How many there are, but for the polls."""
    return sum("wake_at <= clock_timestamp()" not in statement for one in sent for statement in one.statements)


async def test_a_sold_lesson_costs_twelve_statements_and_twenty_kilobytes_of_the_servers_log(
    people: People, world: World
) -> None:
    """The cheapest of three: beside it a vacuum may write, or another loop may look for work.

    A first one does not count: a loop may have a connection that is not listened to.
    """
    tutor = await people.tutor()
    sent, written = [], []
    for hour in range(4):
        before = await wal_bytes(world)
        with sent_by_all(world) as all_sent:
            booked = await people.book(tutor, lesson_time(hour=10 + hour), idempotency_key="k")
            await people.pay(booked.payment_intent_id)
            await people.until_state(booked.saga_id, "COMPLETED")
        sent.append(count_statements(all_sent))
        written.append(await wal_bytes(world) - before)
    assert min(sent[1:]) <= 12
    assert min(written) <= 20_000


async def wal_bytes(world: World) -> int:
    """How many bytes the server's write-ahead log has had so far, for all databases."""
    rows = await world.sql("payment", "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint as bytes")
    return int(rows[0]["bytes"])


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


async def test_reconcile_asks_our_database_about_a_page_of_sold_payments_and_not_about_each(
    people: People, world: World
) -> None:
    """A webhook that comes late asks as well. So it is counted until there was a round without one."""

    async def asked() -> int:
        with sent_by_all(world) as all_sent:
            await people.reconcile()
        return sum("payment_intent_id = $1 or" in statement for one in all_sent for statement in one.statements)

    tutor = await people.tutor()
    before = await asked()
    for hour in range(3):
        booked = await people.book(tutor, lesson_time(hour=10 + hour))
        await people.pay(booked.payment_intent_id)
        await people.until_state(booked.saga_id, "COMPLETED")
    await wait_until(asked, lambda questions: questions <= before)
