"""Scenario 39: deadlocks, serialization failures and lock time-outs under load end in TRY_AGAIN, never in a charge."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from tests.people import People, lesson_time, wait_until
from tests.world import World

STUDENTS = 3
BOOK = """mutation ($tutor: ID!, $time: AWSDateTime!, $key: String) {
  bookSession(tutorId: $tutor, time: $time, idempotencyKey: $key) {
    booking { id status } paymentIntentId sagaId userErrors { code retryable }
  }
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def outsider(world: World) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the availability database beside the service's own."""
    connection = await asyncpg.connect(world.urls["availability_svc"].replace("+asyncpg", ""))
    yield connection
    await connection.close()


async def book(people: People, tutor: UUID, student: UUID, time: datetime) -> dict[str, Any]:
    """Book through the edge, under the student's own idempotency key."""
    answer = await people.http.post(
        f"{people.world.bff_url}/graphql",
        json={"query": BOOK, "variables": {"tutor": str(tutor), "time": time.isoformat(), "key": f"key-{student}"}},
        headers={"Authorization": f"Bearer {people.world.token('student', subject=student)}"},
    )
    body = answer.json()
    assert answer.status_code == 200 and "errors" not in body, body
    return dict(body["data"]["bookSession"])


def orders(tutor: UUID) -> dict[UUID, datetime]:
    """Students, each with the start of a lesson; no two lessons overlap."""
    return {uuid4(): lesson_time(hour=8 + 2 * number) for number in range(STUDENTS)}


async def all_book(people: People, tutor: UUID, wanted: dict[UUID, datetime]) -> list[dict[str, Any]]:
    return await asyncio.gather(*(book(people, tutor, student, time) for student, time in wanted.items()))


async def intents_of(people: People, students: dict[UUID, datetime]) -> list[Any]:
    """The PaymentIntents of all sagas of these students."""
    rows = await people.world.sql("payment", "select id from saga where student_id = any($1)", list(students))
    ours = {str(row["id"]) for row in rows}
    return [i for i in (await people.stripe_state())["payment_intents"] if i["metadata"].get("sagaId") in ours]


async def expect_try_again(people: People, tutor: UUID, wanted: dict[UUID, datetime]) -> None:
    for answer in await all_book(people, tutor, wanted):
        assert answer["userErrors"] == [{"code": "TRY_AGAIN", "retryable": True}]
        assert (answer["booking"], answer["paymentIntentId"]) == (None, None)
    assert await intents_of(people, wanted) == []


async def expect_bookings(people: People, tutor: UUID, wanted: dict[UUID, datetime]) -> None:
    """Repeat the requests under the same keys: each makes one booking and one intent."""
    for student, time in wanted.items():
        answer = await wait_until(lambda s=student, t=time: book(people, tutor, s, t), lambda body: body["booking"])
        assert answer["booking"]["status"] == "PAYMENT_REQUIRED"
        assert answer["userErrors"] == []
    intents = await intents_of(people, wanted)
    assert len(intents) == len({intent["metadata"]["sagaId"] for intent in intents}) == len(wanted)


@contextlib.asynccontextmanager
async def hold_calendar(outsider: asyncpg.Connection, tutor: UUID) -> AsyncIterator[None]:
    """Within this block another transaction locks the tutor's calendar."""
    async with outsider.transaction():
        locked = await outsider.fetch("select id from calendar where id = $1 for update", tutor)
        assert len(locked) == 1
        yield


async def test_39_bookings_that_meet_a_held_lock_are_told_to_try_again_and_book_once_it_goes(
    people: People, outsider: asyncpg.Connection
) -> None:
    tutor = await people.tutor()
    await people.book(tutor, lesson_time(days=5))  # the first booking inserts the calendar's row
    wanted = orders(tutor)
    async with hold_calendar(outsider, tutor):
        await expect_try_again(people, tutor, wanted)
    await expect_bookings(people, tutor, wanted)


FAILING = """
    create sequence failure;
    create function fail() returns trigger language plpgsql as $$ begin
        if nextval('failure') <= {times} then raise exception 'again' using errcode = '{state}'; end if;
        return new;
    end $$;
    create trigger failing before insert on hold for each row execute function fail();
"""
WELL_AGAIN = "drop trigger if exists failing on hold; drop function if exists fail; drop sequence if exists failure;"


@contextlib.asynccontextmanager
async def make_holds_fail(outsider: asyncpg.Connection, state: str, times: int) -> AsyncIterator[None]:
    """Within this block so many holds fail with this SQLSTATE, also when they are rolled back and run again."""
    await outsider.execute(FAILING.format(state=state, times=times))
    try:
        yield
    finally:
        await outsider.execute(WELL_AGAIN)


@pytest.mark.parametrize("state", ["40001", "40P01"], ids=["serialization failure", "deadlock"])
async def test_39_a_few_failures_are_run_again_and_nobody_notices(
    people: People, outsider: asyncpg.Connection, state: str
) -> None:
    tutor, student = await people.tutor(), uuid4()
    async with make_holds_fail(outsider, state, times=3):
        answer = await book(people, tutor, student, lesson_time())
    assert (answer["booking"]["status"], answer["userErrors"]) == ("PAYMENT_REQUIRED", [])


@pytest.mark.parametrize("state", ["40001", "40P01"], ids=["serialization failure", "deadlock"])
async def test_39_failures_without_end_are_try_again_without_an_intent(
    people: People, outsider: asyncpg.Connection, state: str
) -> None:
    tutor = await people.tutor()
    wanted = orders(tutor)
    async with make_holds_fail(outsider, state, times=10_000):
        await expect_try_again(people, tutor, wanted)
        (tried,) = await outsider.fetchrow("select last_value from failure")
        assert tried <= STUDENTS * 3 * 5 * 3  # bounded: attempts of a statement, of a step, and few drives
    await expect_bookings(people, tutor, wanted)


async def test_39_a_real_deadlock_costs_the_booking_nothing(people: People, outsider: asyncpg.Connection) -> None:
    """Another transaction locks the later calendar, then the earlier one; PostgreSQL aborts the booking's transaction."""
    tutor = await people.tutor()
    student = next(person for person in iter(uuid4, None) if person < tutor)
    for person in (tutor, student):
        await outsider.execute("insert into calendar (id) values ($1) on conflict do nothing", person)
    await outsider.execute("set deadlock_timeout = '1min'")
    async with hold_calendar(outsider, tutor):
        booking = asyncio.create_task(book(people, tutor, student, lesson_time()))
        waits = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        await wait_until(lambda: people.world.sql("availability", waits), bool)
        await outsider.execute("select id from calendar where id = $1 for update", student)  # given to us by the victim
    answer = await booking
    assert (answer["booking"]["status"], answer["userErrors"]) == ("PAYMENT_REQUIRED", [])
    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
    await wait_until(lambda: people.world.sql("availability", deadlocks), lambda rows: rows[0]["deadlocks"] > 0)
