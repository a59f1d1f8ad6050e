"""What waits for a person, and what waits for longest, is seen however much else waits."""

from __future__ import annotations

from uuid import uuid4

import asyncpg

from mesh.database import Database
from payment_svc.domain import ENROLL, CourseOrder, EnrollmentFacts
from payment_svc.store import VIOLATIONS, SagaStore
from payment_svc.store.backlog import BacklogStore
from tests.conftest import MakeDatabase

#: More than are counted, and after them the ones that matter: a scan meets those last.
MANY, MOST = 50, 10
_SAGA = """
    insert into saga (id, kind, version, request_hash, context, course_id, state, wake_at, error, student_id, booking_id,
                      payment_id)
    select gen_random_uuid(), kind, version, request_hash, context, course_id, {values}, gen_random_uuid(),
           gen_random_uuid(), gen_random_uuid() from (select * from saga limit 1) one, generate_series(1, {number})
"""
_EVENT = """
    insert into stripe_event (id, type, saga_id, payment_intent_id, status, wake_at, error, received_at)
    select gen_random_uuid()::text, 'x', gen_random_uuid(), 'pi_x', {values} from generate_series(1, {number})
"""
_ROWS = (
    _SAGA.format(values="state, wake_at, error", number=MANY),
    _SAGA.format(values="""'PARKED', null, '{"reason": "DISPUTED"}'""", number=1),
    _EVENT.format(values="'INBOX', now(), null, now()", number=MANY),
    _EVENT.format(values="'NEWS', null, null, now() - interval '1 hour'", number=1),
    _EVENT.format(values="'PARKED', null, 'x', now() - interval '1 day'", number=1),
)


async def test_the_many_hide_neither_what_is_parked_nor_the_oldest(make_database: MakeDatabase) -> None:
    order, ids = CourseOrder(uuid4(), uuid4(), ""), {"id": uuid4(), "sold": uuid4(), "payment": uuid4()}
    url = await make_database("payment_svc")
    async with Database(url, name="payment", violations=VIOLATIONS) as database:
        store = BacklogStore(database, MOST)
        assert list(await store.read()) == []
        await SagaStore(database, "somebody", 4.0).begin(
            order, kind=ENROLL, version=1, ids=ids, digest=b"", facts=EnrollmentFacts()
        )
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        for statement in _ROWS:
            await connection.execute(statement)
        await connection.close()
        found = {(row.what, row.one, row.two): row.number for row in await store.read()}
    assert found.pop(("event_age", "", "")) // 60 == 60
    # Which of the waiting events are counted is for PostgreSQL to choose.
    assert sum(found.pop(("event", status, ""), 0) for status in ("INBOX", "NEWS")) == MOST
    assert found == {
        ("saga", ENROLL, "AWAITING_AVAILABILITY"): MOST,
        ("saga", ENROLL, "PARKED"): 1,
        ("parked", "DISPUTED", ""): 1,
        ("event", "PARKED", ""): 1,
    }
