"""Sales that are made by COPY are what really sold ones are: the rows have their shape, and the audit finds no breach."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from bench.growth.fill import FORGOTTEN, Sold
from bench.growth.people import Plan, made
from bench.growth.sample import Row, read_rows
from session_svc.store import Store as SessionStore
from tests.audited import assert_clean
from tests.people import People, lesson_time
from tests.world import World

SERVICES = ("availability", "booking", "learning", "payment", "session")
#: The objects of a sale at the provider. It forgets its events after 30 days.
KEPT_OBJECTS = ("payment_intent", "charge")
#: What differs between two sales in a text: ids, times, seconds, the secrets of the intent and of the room.
DIFFERENT = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\b(?:pi|ch|evt|txn|pm|req|re)_[A-Za-z0-9]{12,}|(?<=_secret_)\w+"
    r"|\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?|\b(?:1[7-9]|2[01])\d{8}\b|^[0-9a-f]{16}$|^[\w-]{24}$"
)
Shape = tuple[str, tuple[str, ...]]


def shape(row: Row) -> Shape:
    """A row without its ids, its times and its hash."""
    return row.table, tuple(f"{name} {_without_ids(value)}" for name, value in row.values.items())


def _without_ids(value: Any) -> str:
    if isinstance(value, datetime | bytes | asyncpg.Range):
        return type(value).__name__
    return DIFFERENT.sub("…", str(value))


async def shapes_of(world: World, *ids: str) -> Counter[Shape]:
    """The shapes of all rows that name one of these ids, and of its objects at the provider."""
    found: Counter[Shape] = Counter()
    for service in SERVICES:
        connection = await asyncpg.connect(world.urls[f"{service}_svc"].replace("+asyncpg", ""))
        try:
            rows = await read_rows(connection)
        finally:
            await connection.close()
        found.update(shape(row) for row in rows if row.names(*ids) and row.table not in FORGOTTEN)
    objects = world.provider.execute("select kind, body from object").fetchall()
    named = [body for kind, body in objects if kind in KEPT_OBJECTS and any(one in body for one in ids)]
    found.update(shape(Row("object", {"body": body}, {})) for body in named)
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
    world: World, people: People, sold: Sold, filled: dict[str, dict[str, int]]
) -> None:
    (sample,) = await world.sql("payment", "select tutor_id from saga where id = $1", UUID(sold.lesson_saga))
    lesson = await people.booked(sample["tutor_id"], lesson_time(hour=15))
    await people.pay(lesson.intent)
    await people.until_state(lesson.saga, "COMPLETED")
    await complete(world, lesson.session)
    saga = made("lesson.id", 7)
    (row,) = await world.sql("payment", "select booking_id, payment_intent_id from saga where id = $1", UUID(saga))
    really = await shapes_of(world, lesson.saga, lesson.booking, lesson.intent)
    copied = await shapes_of(world, saga, str(row["booking_id"]), row["payment_intent_id"])
    assert copied - really == Counter() == really - copied
    assert {table for table, _ in really} == set(
        "hold claim booking booking_event session saga saga_event payment stripe_event object".split()
    )


async def test_made_sales_are_in_every_table_of_sales_and_break_no_invariant(
    world: World, plan: Plan, filled: dict[str, dict[str, int]]
) -> None:
    tables = {"availability": "hold", "booking": "booking", "session": "session", "learning": "enrollment"}
    assert all(filled[service][table] > plan.sales for service, table in tables.items())
    assert filled["payment"]["saga"] > 2 * plan.sales < filled["payment"]["payment"]
    await assert_clean(world)
    (busiest,) = await world.sql(
        "session", "select count(*) from session group by student_id order by count(*) desc limit 1"
    )
    assert busiest["count"] == plan.sales // plan.busy_each


async def test_made_rows_are_found_by_every_index(world: World, filled: dict[str, dict[str, int]]) -> None:
    for service in SERVICES:
        asleep = await world.sql(service, "select indexrelid::regclass from pg_index where not indisready")
        assert asleep == []
