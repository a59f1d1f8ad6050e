"""The kinds of sagas are rows: the table says what the code says, and the schema keeps the rules that depend on them."""

from __future__ import annotations

from uuid import uuid4

import asyncpg
import pytest

from mesh.database import Database
from payment_svc.domain import BOOK, ENROLL, KINDS, CourseOrder, EnrollmentFacts
from payment_svc.store import VIOLATIONS, SagaStore
from tests.conftest import MakeDatabase


async def connect(url: str) -> asyncpg.Connection:
    return await asyncpg.connect(url.replace("+asyncpg", ""))


async def test_the_table_has_the_kinds_that_the_code_knows(make_database: MakeDatabase) -> None:
    connection = await connect(await make_database("payment_svc"))
    rows = await connection.fetch("select name, role, subject from saga_kind")
    await connection.close()
    assert {tuple(row) for row in rows} == {(kind.name, kind.role, kind.subject) for kind in KINDS}


@pytest.mark.parametrize(
    ("kind", "violation"),
    [(BOOK, asyncpg.CheckViolationError), ("NobodysSaga", asyncpg.NotNullViolationError)],
    ids=["another subject", "unknown"],
)
async def test_a_saga_is_about_what_its_kind_sells(
    make_database: MakeDatabase, kind: str, violation: type[Exception]
) -> None:
    url = await make_database("payment_svc")
    order, ids = CourseOrder(uuid4(), uuid4(), ""), {"id": uuid4(), "sold": uuid4(), "payment": uuid4()}
    async with Database(url, name="payment", violations=VIOLATIONS) as database:
        await SagaStore(database, "somebody", 4.0).begin(
            order, kind=ENROLL, version=1, ids=ids, digest=b"", facts=EnrollmentFacts()
        )
    connection = await connect(url)
    copy = """insert into saga (id, kind, version, state, request_hash, context, wake_at, student_id, booking_id,
                                payment_id, course_id)
              select gen_random_uuid(), $1, version, state, request_hash, context, wake_at, gen_random_uuid(),
                     gen_random_uuid(), gen_random_uuid(), course_id from saga"""
    with pytest.raises(violation):
        await connection.execute(copy, kind)
    await connection.close()
