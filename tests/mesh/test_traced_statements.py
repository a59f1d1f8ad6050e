"""Every statement of a span is a span: its text without values, how long it waited for a connection, and its commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from mesh import tracing
from mesh.database import Connection, Database
from mesh.errors import Overloaded
from mesh.statements import text
from tests.traced import ATTRIBUTES, traced

VALUE = "hunter2 of a person"
READ = text("select   :value ||\n cast(:number as text) as words")


@pytest_asyncio.fixture
async def database(postgres) -> AsyncIterator[Database]:
    async with Database(postgres.url("postgres"), name="payment", pool_size=1) as made:
        yield made


async def read(connection: Connection) -> str:
    return str((await connection.execute(READ, {"value": VALUE, "number": "4711"})).scalar_one())


async def read_and_fail(connection: Connection) -> None:
    await read(connection)
    raise KeyError


async def test_the_first_transaction_of_a_process_is_told_from_its_connection_to_its_commit(database) -> None:
    with traced() as seen, tracing.span("outer"):
        assert await database.transaction(read) == f"{VALUE}4711"
    names = [span.name for span in seen.all()]
    assert names == ["connect: payment", "BEGIN payment", "SELECT payment", "COMMIT payment", "outer"]
    outer = seen.all()[-1]
    assert all(span.parent and span.parent.span_id == outer.context.span_id for span in seen.all()[:-1])
    (statement,) = seen.named("SELECT payment")
    told = dict(statement.attributes)
    assert told["db.query.text"] == "select $1 || cast($2 as text) as words"
    assert (told["db.system.name"], told["db.namespace"]) == ("postgresql", "payment")


async def test_a_roll_back_and_a_lone_statement_are_told(database) -> None:
    with traced() as seen, tracing.span("outer"):
        with pytest.raises(KeyError):
            await database.transaction(read_and_fail)
        await database.statement(read)
    assert [span.name for span in seen.all()][-4:] == [
        "SELECT payment", "ROLLBACK payment", "SELECT payment", "outer"]  # fmt: skip


async def test_who_waits_for_a_connection_is_told_how_long_and_whether_in_vain(database) -> None:
    database.pool.wait_seconds = 0.05
    with traced() as seen, tracing.span("outer"):
        async with database.pool.lend():
            with pytest.raises(Overloaded):
                await database.statement(read)
    (waited,) = seen.named("wait for a connection: payment")
    assert dict(waited.attributes)["error.type"] == "TimeoutError"
    assert waited.end_time - waited.start_time >= 40_000_000


async def test_no_span_has_a_value_or_another_attribute_than_those_that_are_known(database) -> None:
    with traced() as seen, tracing.span("outer"):
        await database.transaction(read)
        with pytest.raises(Exception, match="hunter2"):
            await database.statement(lambda each: each.execute(text("select cast(:value as uuid)"), {"value": VALUE}))
    for span in seen.all():
        assert dict(span.attributes).keys() <= ATTRIBUTES
        assert not span.events and not any("hunter2" in str(value) for value in span.attributes.values())
        assert "hunter2" not in f"{span.name} {span.status.description}"


async def test_work_outside_of_a_span_is_not_traced(database) -> None:
    with traced() as seen:
        await database.transaction(read)
        await asyncio.sleep(0)
    assert seen.all() == []
