"""So many sales that are over, in every database and in the sandbox, by COPY: as if they had been sold.

What the services delete in time is not made: idempotency keys and messages. Foreign keys and triggers rest meanwhile.
"""

from __future__ import annotations

import asyncio
import io
import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench.growth.people import Plan
from bench.growth.sample import Line, Make, Rows, Tokens, end_of_lesson, made_uuid, over, read_rows

BATCH = 5000
#: These are forgotten after a day, a week: sales that are over have none.
FORGOTTEN = frozenset({"idempotency_key", "notification"})
#: The provider forgets its events after 30 days.
KEPT_OBJECTS = frozenset({"payment_intent", "charge"})
#: The kinds of made ids: of people, and the first one of a lesson's and of a seat's own.
TUTOR, STUDENT, INSTRUCTOR, COURSE, OF_LESSON, OF_SEAT = 1, 2, 3, 4, 16, 128
_OBJECTS = "select kind, created, payment_intent, charge, type, body from object order by seq"
_PUT = "insert into object (id, kind, created, payment_intent, charge, type, body) values (?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Sold:
    """What was really sold: a lesson and a seat, by the ids that name their people."""

    tutor: str
    student: str
    lesson_saga: str
    lesson_sold: str
    instructor: str
    learner: str
    course: str
    seat_saga: str
    seat_sold: str


@dataclass(frozen=True, slots=True)
class _Kind:
    """Lessons, or seats: whose ids the lines of a sale name, and what ids become."""

    ids: tuple[str, str]
    tokens: Tokens


async def fill(urls: Mapping[str, str], sandbox: Path, sold: Sold, plan: Plan) -> dict[str, dict[str, int]]:
    """Make the sales of a plan; how many rows there are then, by database and table.

    `urls` has asyncpg's URL of each service's database; `sandbox` is the sandbox's file. Both have nothing but `sold`.
    """
    lesson, seat = _lesson(sold, plan), _seat(sold, plan)
    counted = {}
    for name, url in urls.items():
        connection = await asyncpg.connect(url)
        try:
            counted[name] = await _fill_database(connection, [lesson, seat], sold, plan)
        finally:
            await connection.close()
    await asyncio.to_thread(_fill_sandbox, sandbox, [lesson, seat], plan)
    return counted


def _lesson(sold: Sold, plan: Plan) -> _Kind:
    people: dict[str, Make] = {
        sold.tutor: lambda number: made_uuid(TUTOR, plan.tutor_of(number)),
        sold.student: lambda number: made_uuid(STUDENT, plan.student_of(number)),
    }
    return _Kind((sold.lesson_saga, sold.lesson_sold), Tokens(OF_LESSON, people))


def _seat(sold: Sold, plan: Plan) -> _Kind:
    people: dict[str, Make] = {
        sold.instructor: lambda number: made_uuid(INSTRUCTOR, plan.course_of(number)),
        sold.course: lambda number: made_uuid(COURSE, plan.course_of(number)),
        sold.learner: lambda number: made_uuid(STUDENT, plan.seated_in(number)),
    }
    return _Kind((sold.seat_saga, sold.seat_sold), Tokens(OF_SEAT, people))


async def _fill_database(connection: asyncpg.Connection, kinds: list[_Kind], sold: Sold, plan: Plan) -> dict[str, int]:
    rows = await read_rows(connection)
    await connection.execute("set session_replication_role = replica")
    await connection.execute("set synchronous_commit = off")
    await _make_people(connection, rows, sold, plan)
    for kind in kinds:
        lines = [_as_over(rows, line) for line in rows.naming(*kind.ids) if line.table not in FORGOTTEN]
        for numbers in _oldest_first(plan.sales):
            for table, batch in _batches(lines, kind.tokens, numbers, plan).items():
                await connection.copy_to_table(table, source=batch, columns=rows.columns[table])
    await connection.execute("vacuum analyze")
    return {table: await connection.fetchval(f'select count(*) from "{table}"') for table in rows.columns}  # noqa: S608 - names of tables


def _oldest_first(sales: int) -> Iterator[range]:
    """The numbers of the sales in batches. The number 0 was sold last."""
    for last in range(sales, 0, -BATCH):
        yield range(last - 1, max(last - BATCH, 0) - 1, -1)


def _as_over(rows: Rows, line: Line) -> Line:
    columns = rows.columns[line.table]
    return over(columns, line, end_of_lesson(columns, line)) if line.table == "session" else line


def _batches(lines: list[Line], tokens: Tokens, numbers: range, plan: Plan) -> dict[str, io.BytesIO]:
    """The rows of these sales, by table."""
    named = {token for line in lines for token in line.tokens}
    made: defaultdict[str, list[str]] = defaultdict(list)
    for number in numbers:
        values = tokens.values(named, number, plan.minutes_ago(number))
        for line in lines:
            made[line.table].append(line.fill(values))
    return {table: io.BytesIO(("\n".join(rows) + "\n").encode()) for table, rows in made.items()}


async def _make_people(connection: asyncpg.Connection, rows: Rows, sold: Sold, plan: Plan) -> None:
    """The rows of tutors, students, instructors and courses that sales name."""
    about_sales = set(rows.naming(sold.lesson_saga, sold.lesson_sold, sold.seat_saga, sold.seat_sold))
    groups = (
        (sold.tutor, TUTOR, plan.tutors),
        (sold.student, STUDENT, plan.students),
        (sold.instructor, INSTRUCTOR, plan.courses),
        (sold.learner, STUDENT, 1 + plan.sales // plan.courses),
    )
    for person, kind, count in groups:
        for line in rows.naming(person):
            if line not in about_sales and sold.course not in line.tokens:
                await _copy_people(connection, rows, line, {person: kind}, count, plan)
    for line in rows.naming(sold.course):
        if line not in about_sales:
            counting = _count_seats(rows.columns[line.table], line)
            of_course = {sold.course: COURSE, sold.instructor: INSTRUCTOR}
            await _copy_people(connection, rows, counting, of_course, plan.courses, plan)


_SEATS = "seats-of-the-course"


def _count_seats(columns: list[str], line: Line) -> Line:
    """A course's line whose count of seats is a token."""
    fields = line.pattern.split("\t")
    fields[columns.index("seats_taken")] = "%s"
    place = "\t".join(fields[: columns.index("seats_taken")]).count("%s")
    return Line(line.table, "\t".join(fields), (*line.tokens[:place], _SEATS, *line.tokens[place:]))


async def _copy_people(
    connection: asyncpg.Connection, rows: Rows, line: Line, kinds: Mapping[str, int], count: int, plan: Plan
) -> None:
    makers: dict[str, Make] = {
        token: (lambda number, kind=kind: made_uuid(kind, number))  # type: ignore[misc]
        for token, kind in kinds.items()
    }
    makers[_SEATS] = lambda number: str(plan.seats_taken(number))
    tokens = Tokens(OF_SEAT * 2, makers)
    made = [line.fill(tokens.values(line.tokens, number, plan.minutes_ago(number))) for number in range(count)]
    source = io.BytesIO(("\n".join(made) + "\n").encode())
    await connection.copy_to_table(line.table, source=source, columns=rows.columns[line.table])


def _fill_sandbox(path: Path, kinds: list[_Kind], plan: Plan) -> None:
    """The intents and charges of all sales."""
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        objects = [row for row in connection.execute(_OBJECTS) if row[0] in KEPT_OBJECTS]
        for kind in kinds:
            lines = _objects_of(objects, kind)
            named = {token for line in lines for token in line.tokens}
            for numbers in _oldest_first(plan.sales):
                with connection:
                    for number in numbers:
                        values = kind.tokens.values(named, number, plan.minutes_ago(number))
                        connection.executemany(_PUT, [_object(line.fill(values)) for line in lines])


def _objects_of(objects: list[tuple[object, ...]], kind: _Kind) -> list[Line]:
    """The objects of a sale: its intent, which names its saga, and that intent's charge."""
    (intent,) = (row for row in objects if row[0] == "payment_intent" and kind.ids[0] in str(row[-1]))
    intent_id = json.loads(str(intent[-1]))["id"]
    return [Line.of("object", json.dumps(row)) for row in objects if row is intent or row[2] == intent_id]


def _object(row: str) -> tuple[object, ...]:
    kind, created, intent, charge, type_, body = json.loads(row)
    return json.loads(body)["id"], kind, created, intent, charge, type_, body
