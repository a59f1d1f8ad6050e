"""Sales that are made by COPY are what really sold ones are: the rows have their shape, and the audit finds no breach."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from uuid import UUID

import asyncpg

from bench.growth.fill import FORGOTTEN, KEPT_OBJECTS, Sold
from bench.growth.people import Plan
from bench.growth.sample import Line, read_rows
from session_svc.store import Store as SessionStore
from tests.audited import assert_clean
from tests.people import People, lesson_time
from tests.world import World

SERVICES = ("availability", "booking", "learning", "payment", "session")
#: What differs between two sales besides ids and times: seconds, the request's hash, the secrets of the intent and the room.
DIFFERENT = re.compile(r"(?<=%s):\d\d(\.\d+)?(?=\+00|Z)|\\\\x[0-9a-f]{64}|(?<=_secret_)\w+|(?<=\t60\t)[\w-]{24}(?=\t)")


def shape(line: Line) -> tuple[str, str]:
    """A row without its ids, its times and its hash."""
    return line.table, DIFFERENT.sub("…", line.pattern)


async def shapes_of(world: World, *ids: str) -> Counter[tuple[str, str]]:
    """The shapes of all rows that name one of these ids, and of its objects at the provider."""
    found: Counter[tuple[str, str]] = Counter()
    for service in SERVICES:
        connection = await asyncpg.connect(world.urls[f"{service}_svc"].replace("+asyncpg", ""))
        try:
            rows = await read_rows(connection)
        finally:
            await connection.close()
        found.update(shape(line) for line in rows.naming(*ids) if line.table not in FORGOTTEN)
    objects = world.provider.execute("select kind, body from object").fetchall()
    named = [body for kind, body in objects if kind in KEPT_OBJECTS and any(one in body for one in ids)]
    found.update(shape(Line.of("object", body)) for body in named)
    return found


async def complete(world: World, session: str) -> None:
    """Let the time of a lesson pass, and the loop complete its session. Its time is put back."""
    away = timedelta(days=30)
    connection = await asyncpg.connect(world.urls["session_svc"].replace("+asyncpg", ""))
    move = (
        "update session set scheduled_at = scheduled_at + $2::interval, completed_at = completed_at + $2 where id = $1"
    )
    try:
        await connection.execute("set session_replication_role = replica")  # the trigger refuses a status that stays
        await connection.execute(move, UUID(session), -away)
        assert await SessionStore(world.databases["session"]).complete_over(timedelta(0), 100) >= 1
        await connection.execute(move, UUID(session), away)
    finally:
        await connection.close()


async def test_a_made_sale_has_the_shape_of_a_sold_one(
    world: World, people: People, sold: Sold, plan: Plan, filled: dict[str, dict[str, int]]
) -> None:
    lesson = await people.booked(UUID(sold.tutor), lesson_time(hour=15))
    await people.pay(lesson.intent)
    await people.until_state(lesson.saga, "COMPLETED")
    await complete(world, lesson.session)
    made = (
        await world.sql(
            "payment",
            "select id, booking_id, payment_intent_id from saga where course_id is null order by created_at limit 1",
        )
    )[0]
    assert str(made["id"]) not in (sold.lesson_saga, lesson.saga)
    really = await shapes_of(world, lesson.saga, lesson.booking, lesson.intent)
    copied = await shapes_of(world, str(made["id"]), str(made["booking_id"]), made["payment_intent_id"])
    assert copied - really == Counter() == really - copied
    assert {table for table, _ in really} == {
        "hold",
        "claim",
        "booking",
        "booking_event",
        "session",
        "saga",
        "saga_event",
        "payment",
        "stripe_event",
        "object",
    }


async def test_made_sales_are_in_every_table_of_sales_and_break_no_invariant(
    world: World, people: People, plan: Plan, filled: dict[str, dict[str, int]]
) -> None:
    for table in ("hold",):
        assert filled["availability"][table] > plan.sales
    assert filled["booking"]["booking"] > plan.sales
    assert filled["session"]["session"] > plan.sales
    assert filled["learning"]["enrollment"] > plan.sales
    assert filled["payment"]["saga"] > 2 * plan.sales < filled["payment"]["payment"]
    await assert_clean(world)
    (busiest,) = await world.sql(
        "session", "select count(*) from session group by student_id order by count(*) desc limit 1"
    )
    assert busiest["count"] == plan.sales // plan.busy_each
