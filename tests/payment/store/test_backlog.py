"""What waits for a person, and what waits for longest, is seen however much else waits."""

from __future__ import annotations

from uuid import uuid4

import asyncpg

from mesh.database import Database
from payment_svc.domain import ENROLL, CourseOrder, EnrollmentFacts
from payment_svc.store import SagaStore
from payment_svc.store.backlog import BacklogStore
from payment_svc.tables import VIOLATIONS
from tests.conftest import MakeDatabase

#: More than are counted, and after them the ones that matter: a scan meets those last.
MANY, MOST = 50, 10
_ROWS = (
    f"""insert into saga (id, kind, version, state, request_hash, context, wake_at, student_id, booking_id, payment_id, course_id)
        select gen_random_uuid(), kind, version, state, request_hash, context, wake_at, gen_random_uuid(), gen_random_uuid(),
               gen_random_uuid(), course_id from saga, generate_series(1, {MANY})""",
    """insert into saga (id, kind, version, state, request_hash, context, error, student_id, booking_id, payment_id, course_id)
        select gen_random_uuid(), kind, version, 'PARKED', request_hash, context, '{"reason": "DISPUTED"}', gen_random_uuid(),
               gen_random_uuid(), gen_random_uuid(), course_id from saga limit 1""",
    f"""insert into stripe_event (id, type, saga_id, payment_intent_id, status, wake_at)
        select 'evt_' || n, 'x', gen_random_uuid(), 'pi_x', 'INBOX', now() from generate_series(1, {MANY}) n""",
    """insert into stripe_event (id, type, saga_id, payment_intent_id, status, received_at)
        values ('evt_old', 'x', gen_random_uuid(), 'pi_x', 'NEWS', now() - interval '1 hour')""",
    """insert into stripe_event (id, type, saga_id, payment_intent_id, status, error, received_at)
        values ('evt_parked', 'x', gen_random_uuid(), 'pi_x', 'PARKED', 'x', now() - interval '1 day')""",
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
    assert found == {
        ("saga", ENROLL.name, "AWAITING_AVAILABILITY"): MOST,
        ("saga", ENROLL.name, "PARKED"): 1,
        ("parked", "DISPUTED", ""): 1,
        ("event", "INBOX", ""): MOST,
        ("event", "PARKED", ""): 1,
    }
