"""So many sales that are over, in every database and in the sandbox, as if they had been sold.

A lesson and a seat were really sold. Each of their rows is the pattern of an INSERT that makes the rows of all sales within
PostgreSQL. Meanwhile triggers and foreign keys rest, and so do the indexes: PostgreSQL builds them anew at the end. What
the services delete in time is not made: idempotency keys and messages.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from bench.growth.people import Plan, made_sql
from bench.growth.provider import fill_sandbox
from bench.growth.sample import Row, insert_like, read_rows

#: These are forgotten after a day, a week: sales that are over have none.
FORGOTTEN = frozenset({"idempotency_key", "notification"})
#: Ids that only the context of a saga has.
_IN_CONTEXT = frozenset({"block_id"})
#: What an index build may use of memory.
_MEMORY = "256MB"
_SAGA = "select * from saga where id = $1"
_EVENTS = "select id from stripe_event where saga_id = $1 order by id"
_ROOM = "select room from session where id = $1"
_TABLES = "select tablename from pg_tables where schemaname = 'public' order by 1"
# An index that is not ready is left out by what inserts. REINDEX makes it ready.
_REST_INDEXES = """
    update pg_index set indisready = false
    where indrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)
"""


@dataclass(frozen=True, slots=True)
class Sold:
    """What was really sold: the sagas of a lesson and of a seat."""

    lesson_saga: str
    seat_saga: str


@dataclass(frozen=True, slots=True)
class Sale:
    """A lesson or a seat that was really sold: its saga's row, what PostgreSQL is to make of its ids, and its own ids.

    `own` are the ids that no other sale has.
    """

    saga: Mapping[str, Any]
    ids: Mapping[str, str]
    own: tuple[str, ...]


async def fill(urls: Mapping[str, str], sandbox: Path, sold: Sold, plan: Plan) -> dict[str, dict[str, int]]:
    """Make the sales of a plan; how many rows there are then, by database and table.

    `urls` has asyncpg's URL of each service's database, of a superuser; `sandbox` is the sandbox's file. Both have
    nothing but `sold`.
    """
    lesson, seat = await _read_sales(urls, sold)
    filled = [_fill_database(url, [lesson, seat], plan) for url in urls.values()]
    intents = [str(sale.saga["payment_intent_id"]) for sale in (lesson, seat)]
    provider = asyncio.create_task(asyncio.to_thread(fill_sandbox, sandbox, intents, plan))
    made = dict(zip(urls, await asyncio.gather(*filled), strict=True))
    await provider
    return made


async def _read_sales(urls: Mapping[str, str], sold: Sold) -> tuple[Sale, Sale]:
    payment, session = await asyncpg.connect(urls["payment"]), await asyncpg.connect(urls["session"])
    try:
        lesson, seat = [await payment.fetchrow(_SAGA, id_) for id_ in (sold.lesson_saga, sold.seat_saga)]
        rooms = {await session.fetchval(_ROOM, lesson["session_id"]): "left(md5('room ' || n), 24)"}
        people = {"tutor_id": made_sql("tutor", "tutor"), "student_id": made_sql("student", "student")}
        instructors = {"tutor_id": made_sql("instructor", "course"), "student_id": made_sql("student", "learner")}
        courses = {"course_id": made_sql("course", "course")}
        return (
            _sale("lesson", lesson, people, await payment.fetch(_EVENTS, lesson["id"]), rooms),
            _sale("seat", seat, instructors | courses, await payment.fetch(_EVENTS, seat["id"]), {}),
        )
    finally:
        await payment.close()
        await session.close()


def _sale(
    kind: str, saga: Mapping[str, Any], people: Mapping[str, str], events: Sequence[Any], rooms: Mapping[str, str]
) -> Sale:
    """What becomes of each id that the saga's row, its events and its session have."""
    ours = ("id", "booking_id", "session_id", "payment_id")
    own = {str(saga[name]): made_sql(f"{kind}.{name}") for name in ours if saga[name] is not None}
    own |= {
        value: made_sql(f"{kind}.{name}") for name, value in json.loads(saga["context"]).items() if name in _IN_CONTEXT
    }
    own |= {saga["payment_intent_id"]: f"'pi_' || md5('{kind} ' || n)"}
    own |= {event["id"]: f"'evt_' || md5('{kind}.{place} ' || n)" for place, event in enumerate(events)}
    if saga["request_id"]:
        own |= {saga["request_id"]: f"left(md5('{kind}.request ' || n), 16)"}
    theirs = {str(saga[name]): sql for name, sql in people.items()}
    return Sale(saga, {**rooms, **own, **theirs}, tuple(own))


async def _fill_database(url: str, sales: Sequence[Sale], plan: Plan) -> dict[str, int]:
    connection = await asyncpg.connect(url)
    try:
        rows = await read_rows(connection)
        for setting in ("session_replication_role = replica", "synchronous_commit = off", "timezone = 'UTC'"):
            await connection.execute(f"set {setting}")
        await connection.execute(f"set maintenance_work_mem = '{_MEMORY}'")
        await _make_sources(connection, plan)
        await connection.execute(_REST_INDEXES)
        for statement in _statements(rows, sales, plan):
            await connection.execute(statement)
        made = {table: await _build(connection, table) for (table,) in await connection.fetch(_TABLES)}
        await connection.execute("checkpoint")  # what comes later does not pay for the filling
        return made
    finally:
        await connection.close()


async def _build(connection: asyncpg.Connection, table: str) -> int:
    await connection.execute(f'reindex table "{table}"')
    await connection.execute(f'vacuum analyze "{table}"')
    counted: int = await connection.fetchval(f'select count(*) from "{table}"')  # noqa: S608 - a name of the schema
    return counted


async def _make_sources(connection: asyncpg.Connection, plan: Plan) -> None:
    """Tables of the numbers: of sales, the oldest first; and of people and courses."""
    columns = {name: getattr(plan, name) for name in ("tutor", "student", "course", "learner")}
    people = {"tutors": plan.tutors, "students": plan.students, "courses": plan.courses}
    people["learners"] = 1 + plan.sales // plan.courses
    named = ", ".join(f"{sql} as {name}" for name, sql in columns.items())
    ago = f"make_interval(mins => {plan.minutes_ago}) as ago"
    await connection.execute(
        f"create temp table sales as select n, {named}, {ago} from generate_series({plan.sales} - 1, 0, -1) n"  # noqa: S608
    )
    for name, count in people.items():
        every = ", ".join(f"n as {column}" for column in columns)
        await connection.execute(
            f"create temp table {name} as select n, {every}, {ago} from generate_series(0, {count} - 1) n"  # noqa: S608
        )


def _statements(rows: Sequence[Row], sales: Sequence[Sale], plan: Plan) -> list[str]:
    """An INSERT for each row of the sales, and for each other row about their people and their course."""
    lesson, seat = (sale.saga for sale in sales)
    about = {
        str(seat["course_id"]): "courses", str(seat["tutor_id"]): "courses", str(seat["student_id"]): "learners",
        str(lesson["tutor_id"]): "tutors", str(lesson["student_id"]): "students",
    }  # fmt: skip
    ids = {id_: sql for sale in sales for id_, sql in sale.ids.items()}
    found = []
    for row in rows:
        if row.table in FORGOTTEN:
            continue
        sale = next((sale for sale in sales if row.names(*sale.own)), None)
        source = "sales" if sale else next((source for id_, source in about.items() if row.names(id_)), None)
        if source is not None:
            found.append(insert_like(row, source, sale.ids if sale else ids, _other_columns(row, plan)))
    return found


def _other_columns(row: Row, plan: Plan) -> dict[str, str]:
    """The columns that differ from the sample: all lessons are over, and all seats are sold."""
    if row.table == "session":
        minutes = f"interval '{row.values['duration_minutes']} minutes'"
        end = f"timestamptz '{row.values['scheduled_at'].isoformat()}' - ago + {minutes} + interval '1.000001 seconds'"
        return {"status": "'COMPLETED'", "completed_at": end}
    return {"seats_taken": plan.seats_taken("course")} if row.table == "course" else {}
