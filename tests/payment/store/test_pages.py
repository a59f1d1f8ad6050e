"""A page of payments reads its index, so that its cost does not grow with the payments that there are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from payment_svc.store import payments
from tests.conftest import MakeDatabase


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
async def test_a_page_of_payments_reads_its_index(make_database: MakeDatabase, statement: Any, index: str) -> None:
    values = {":person": uuid4(), ":most": 3, ":at": datetime.now(UTC), ":row": uuid4()}
    query, given = str(statement), list[Any]()
    for name, value in values.items():
        if name in query:
            given.append(value)
            query = query.replace(name, f"${len(given)}")
    connection = await asyncpg.connect((await make_database("payment_svc")).replace("+asyncpg", ""))
    await connection.execute("set enable_seqscan = off")
    plan = "\n".join(row[0] for row in await connection.fetch(f"explain {query}", *given))
    await connection.close()
    assert f"Index Scan Backward using {index} on payment p" in plan, plan
