"""Scenarios 29, 30, 34-36: whoever dies, stalls or hangs up; the end is the undisturbed one.

Whole replicas die here, with the loops that find what is due, where the most is in doubt; each point is struck in
tests/failpoints.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import make_url

from tests.people import People, lesson_time, wait_until
from tests.world import FailAt, StallAt, World
from tutormesh.booking.v1 import booking_pb2
from tutormesh.session.v1 import session_pb2

FULL = bool(os.environ.get("FULL"))


def around(*points: str) -> list[str]:
    """Behind each call; under FULL=1 before it too. tests/failpoints strikes each of these points in every flow."""
    return [f"{when} {point}" for point in points for when in (("before", "after") if FULL else ("after",))]


pytestmark = pytest.mark.usefixtures("no_replica")


async def dies_at(world: World, point: str, trigger: Any) -> None:
    """A replica that dies at this point, once the trigger has made it come there."""
    stall = StallAt(point)
    replica = await world.start_replica(stall)
    under_way = asyncio.ensure_future(trigger())
    await asyncio.wait_for(stall.reached.wait(), 10)
    await world.kill_replica(replica)
    under_way.cancel()
    await asyncio.gather(under_way, return_exceptions=True)


async def assert_sold_once(people: People, booked: Any) -> None:
    assert len(await people.intents_of(booked.saga_id)) == 1
    assert await people.claims(booked.saga_id) == ["CONFIRMED", "CONFIRMED"]
    assert (await people.booking(booked.booking_id)).status == booking_pb2.BOOKING_STATUS_CONFIRMED
    assert (await people.session(booked.session_id)).status == session_pb2.SESSION_STATUS_CONFIRMED
    assert await people.refunds_of(booked.payment_intent_id) == []


@pytest.mark.parametrize("point", ["after HoldSlot", "after create_intent"])
async def test_29_dying_while_opening_ends_in_one_booking_to_pay(people: People, world: World, point: str) -> None:
    student, tutor = uuid4(), await people.tutor()

    async def trigger() -> None:
        await people.book(tutor, lesson_time(), student, idempotency_key="k", timeout=3)

    await dies_at(world, point, trigger)
    await world.start_replica()
    booked = await people.book(tutor, lesson_time(), student, idempotency_key="k")
    await people.pay(booked.payment_intent_id)
    await people.until_state(booked.saga_id, "COMPLETED")
    await assert_sold_once(people, booked)


@pytest.mark.parametrize("point", ["after receive", "after CreateConfirmedSession"])
async def test_29_dying_after_the_payment_ends_in_the_lesson(people: People, world: World, point: str) -> None:
    await people.webhooks("paused")
    undisturbed = await world.start_replica()
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id)
    await world.stop_replica(undisturbed)
    await dies_at(world, point, lambda: people.webhooks("normal"))
    await world.start_replica()
    await people.until_state(booked.saga_id, "COMPLETED")
    await assert_sold_once(people, booked)


@pytest.mark.parametrize("point", ["after cancel_intent", "before commit"])
async def test_30_dying_while_undoing_ends_with_nothing_left(people: People, world: World, point: str) -> None:
    undisturbed = await world.start_replica()
    booked = await people.book(await people.tutor(), lesson_time())
    await world.stop_replica(undisturbed)
    await dies_at(world, point, lambda: people.let_the_hold_end(booked.saga_id))
    await world.start_replica()
    await people.until_state(booked.saga_id, "EXPIRED")
    assert (await people.booking(booked.booking_id)).status == booking_pb2.BOOKING_STATUS_EXPIRED
    assert [intent["status"] for intent in await people.intents_of(booked.saga_id)] == ["canceled"]
    assert await people.claims(booked.saga_id) == []


async def test_30_dying_while_refunding_gives_the_money_back_once(people: People, world: World) -> None:
    undisturbed = await world.start_replica()
    booked = await people.book(await people.tutor(), lesson_time())
    await people.webhooks("drop")
    await people.update_intent(booked.payment_intent_id, amount=100)
    await people.pay(booked.payment_intent_id)
    await world.stop_replica(undisturbed)
    event = await people.event(booked.payment_intent_id, "payment_intent.succeeded")
    await dies_at(
        world, "after create_refund", lambda: wait_until(lambda: people.send_event(event), lambda status: status == 200)
    )
    await world.start_replica()
    await people.until_state(booked.saga_id, "REFUNDED")
    assert [refund["amount"] for refund in await people.refunds_of(booked.payment_intent_id)] == [100]


@pytest.mark.parametrize("point", around("CreateBooking", "create_intent", "commit"))
async def test_34_a_stalled_owners_late_writes_change_nothing(people: People, world: World, point: str) -> None:
    student, tutor, stall = uuid4(), await people.tutor(), StallAt(point)
    zombie = await world.start_replica(stall)
    late = asyncio.ensure_future(people.book(tutor, lesson_time(), student, timeout=20))
    await asyncio.wait_for(stall.reached.wait(), 10)
    await world.start_replica()
    rows = await world.sql("payment", "select id from saga where student_id = $1", student)
    saga_id = str(rows[0]["id"])
    await people.until_state(saga_id, "AWAITING_PAYMENT")
    before = await world.sql("payment", "select * from saga where id = $1", UUID(saga_id))
    stall.go.set()
    answer = await late
    assert answer.saga_id == saga_id
    assert await world.sql("payment", "select * from saga where id = $1", UUID(saga_id)) == before
    assert len(await people.intents_of(saga_id)) == 1
    assert zombie in world.replicas


async def test_34_two_replicas_recover_one_saga_and_one_acts(people: People, world: World) -> None:
    undisturbed = await world.start_replica()
    booked = [await people.book(await people.tutor(), lesson_time()) for _ in range(5)]
    await world.stop_replica(undisturbed)
    for one in booked:
        await people.let_the_hold_end(one.saga_id)
    await asyncio.gather(*(world.start_replica() for _ in range(3)))
    for one in booked:
        await people.until_state(one.saga_id, "EXPIRED")
        told = await world.sql(
            "payment", "select event from saga_event where saga_id = $1 order by seq", UUID(one.saga_id)
        )
        assert [row["event"] for row in told] == ["started", "payment_opened", "undo_expired", "expired"]


@pytest.mark.parametrize("point", around("HoldSlot", "CreateBooking"))
async def test_35_a_lost_answer_is_asked_for_again(people: People, world: World, point: str) -> None:
    await world.start_replica(FailAt(point))
    booked = await people.book(await people.tutor(), lesson_time())
    assert booked.saga_state == "AWAITING_PAYMENT"
    assert await people.claims(booked.saga_id) == ["HELD", "HELD"]


@pytest.mark.parametrize("point", around("ConfirmSlot", "CreateConfirmedSession", "ConfirmBooking"))
async def test_35_a_lost_answer_after_the_payment_is_asked_for_again(people: People, world: World, point: str) -> None:
    await world.start_replica(FailAt(point, times=4))
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id)
    await people.until_state(booked.saga_id, "COMPLETED")
    await assert_sold_once(people, booked)


@pytest.mark.parametrize("point", ["after begin", "before CreateBooking", "after create_intent", "before commit"])
async def test_36_a_caller_who_hangs_up_changes_nothing_and_nothing_leaks(
    people: People, world: World, point: str
) -> None:
    student, tutor, stall = uuid4(), await people.tutor(), StallAt(point)
    await world.start_replica(stall)
    call = asyncio.ensure_future(people.book(tutor, lesson_time(), student, timeout=20))
    await asyncio.wait_for(stall.reached.wait(), 10)
    await hung_up(call)
    await assert_nothing_leaks(world)  # while the saga is under way, and after it
    stall.go.set()
    await assert_it_goes_on(people, student)
    await assert_nothing_leaks(world)


@pytest.mark.parametrize(("service", "table"), [("payment", "saga"), ("availability", "claim"), ("booking", "booking")])
async def test_36_a_caller_who_hangs_up_amid_a_write_leaves_no_transaction_behind(
    people: People, world: World, service: str, table: str
) -> None:
    student, tutor = uuid4(), await people.tutor()
    await world.start_replica()
    async with written_by_nobody(world, service, table):
        call = asyncio.ensure_future(people.book(tutor, lesson_time(), student, timeout=20))
        waiting = f"""
            select 1 from pg_locks join pg_stat_activity using (pid)
            where not granted and relation = '{table}'::regclass and query like '%insert into {table}%'
        """  # the loops write to saga too
        await wait_until(lambda: world.sql(service, waiting), bool)
        await hung_up(call)
    await assert_it_goes_on(people, student)
    await assert_nothing_leaks(world)


@contextlib.asynccontextmanager
async def written_by_nobody(world: World, service: str, table: str) -> AsyncIterator[None]:
    """Within, whoever writes to the table waits."""
    outsider = await asyncpg.connect(world.urls[f"{service}_svc"].replace("+asyncpg", ""))
    try:
        async with outsider.transaction():
            await outsider.execute(f"lock table {table} in share mode")
            yield
    finally:
        await outsider.close()


async def hung_up(call: asyncio.Future[Any]) -> None:
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)


async def assert_it_goes_on(people: People, student: UUID) -> None:
    ask = "select id::text from saga where student_id = $1"
    (row,) = await wait_until(lambda: people.world.sql("payment", ask, student), bool)
    await people.until_state(row["id"], "AWAITING_PAYMENT")
    assert len(await people.intents_of(row["id"])) == 1


#: Who has a transaction open, or holds or awaits a lock, in any of the mesh's databases.
HOLDING = """
    select datname, state, query from pg_stat_activity
    where datname = any($1) and pid <> pg_backend_pid()
        and (state like 'idle in transaction%' or exists (select 1 from pg_locks where pg_locks.pid = pg_stat_activity.pid))
"""


async def assert_nothing_leaks(world: World) -> None:
    """Sooner than PostgreSQL itself would end an idle transaction (ten seconds): no service has taken a connection from
    its pool, and none has a transaction or a lock."""
    names = [make_url(url).database for url in world.urls.values()]
    databases = {"payment": world.replicas[0].database} | world.databases

    async def held() -> list[str]:
        taken = [name for name, database in databases.items() if database.pool.taken]
        return taken + [str(dict(row)) for row in await world.sql("payment", HOLDING, names)]

    assert len(databases) == len(names)
    await wait_until(held, lambda what: not what, seconds=2)


async def test_24_a_death_between_webhook_and_lesson_is_mended_within_seconds(people: People, world: World) -> None:
    stall = StallAt("before ConfirmSlot")
    doomed = await world.start_replica(stall)
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id)
    await asyncio.wait_for(stall.reached.wait(), 10)
    await world.start_replica()
    await world.kill_replica(doomed)
    await people.until_state(booked.saga_id, "COMPLETED", seconds=5)
