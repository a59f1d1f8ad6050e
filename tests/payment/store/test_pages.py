"""A page of payments reads its index, so that its cost does not grow with the payments that there are."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest

from mesh.statements import Statement
from payment_svc.store import payments
from tests.conftest import MakeDatabase
from tests.statements import explain


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (payments._OF_STUDENT, "payment_history"),
        (payments._OF_STUDENT_AFTER, "payment_history"),
        (payments._OF_TUTOR, "payment_of_tutor"),
        (payments._OF_TUTOR_AFTER, "payment_of_tutor"),
    ],
    ids=["student", "student, further", "tutor", "tutor, further"],
)
async def test_a_page_of_payments_reads_its_index(
    make_database: MakeDatabase, statement: Statement, index: str
) -> None:
    values = {"person": uuid4(), "most": 3, "at": datetime.now(UTC), "row": uuid4()}
    connection = await asyncpg.connect((await make_database("payment_svc")).replace("+asyncpg", ""))
    plan = await explain(connection, statement, values)
    await connection.close()
    assert f"Index Scan Backward using {index} on payment p" in plan, plan
