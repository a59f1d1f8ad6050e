"""The mesh through PgBouncer in transaction mode: any server connection may answer after each transaction.

Each database has five connections for all its services.
FULL=1 in the environment gives two hundred orders at once, for a hundred lessons.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import make_url

from devkit.postgres import Postgres
from mesh.channels import messages
from mesh.errors import CallFailed, Refusal
from tests.people import People, lesson_time
from tests.pgbouncer import POOL_SIZE, PgBouncer, start_pgbouncer
from tests.world import World
from tutormesh.booking.v1 import booking_pb2
from tutormesh.booking.v1.booking_pb2_grpc import BookingServiceStub

#: Tutors with ten lessons each; two students want each lesson.
TUTORS = 10 if os.environ.get("FULL") else 2
LESSONS, RIVALS = 10, 2
#: What a busy machine answers.
AGAIN = ("TRY_AGAIN", "OVERLOADED", "PAYMENT_PROVIDER_UNAVAILABLE")


@pytest.fixture(scope="module")
def pooler(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PgBouncer]:
    with start_pgbouncer(postgres, tmp_path_factory.mktemp("pgbouncer")) as started:
        yield started


@pytest.fixture(scope="module")
def world_settings(pooler: PgBouncer) -> dict[str, Any]:
    return {"pooled": pooler.url, "payment": {"stripe_timeout_seconds": 10}}


async def test_a_lesson_is_sold_and_cancelled_while_somebody_watches(people: People) -> None:
    tutor = await people.tutor()
    booked = await people.booked(tutor, lesson_time())
    seen: list[int] = []

    async def watch() -> None:
        stub = people.stub(BookingServiceStub, "booking", "bff", people.world.token("student", subject=booked.student))
        request = booking_pb2.WatchBookingRequest(booking_id=booked.booking)
        seen.extend([change.booking.status async for change in messages(stub.WatchBooking(request, timeout=30))])

    watching = asyncio.create_task(watch())
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "COMPLETED")
    cancelled = await people.cancel(booked)
    assert cancelled.refund.amount_minor == 5000
    await watching
    assert seen[-2:] == [booking_pb2.BOOKING_STATUS_CONFIRMED, booking_pb2.BOOKING_STATUS_CANCELLED]
    assert [refund["amount"] for refund in await people.refunds_of(booked.intent)] == [5000]


async def test_of_many_sales_at_once_no_time_is_sold_twice(people: People, world: World) -> None:
    tutors = [await people.tutor() for _ in range(TUTORS)]
    wanted = [(tutor, lesson_time() + timedelta(hours=hour)) for tutor in tutors for hour in range(LESSONS)] * RIVALS

    async def sell(tutor: UUID, start: datetime) -> str:
        student = uuid4()
        while True:
            try:
                made = await people.book(tutor, start, student, timeout=20)
            except (Refusal, CallFailed) as refused:  # a call without an answer may have been heard
                if isinstance(refused, Refusal) and refused.reason not in AGAIN:
                    return refused.reason
                await asyncio.sleep(random.uniform(0.1, 0.5))  # as an app does; the repeat joins the first try
                continue
            await people.pay(made.payment_intent_id)
            return await people.until_state(made.saga_id, "COMPLETED", seconds=120)

    async with asyncio.timeout(240):
        ends = Counter(await asyncio.gather(*(sell(*one) for one in wanted)))
    assert ends == {"COMPLETED": TUTORS * LESSONS, "SLOT_TAKEN": TUTORS * LESSONS * (RIVALS - 1)}
    ask = "select count(*) as n, count(distinct (calendar_id, during)) as times from claim where calendar_id = any($1)"
    (claims,) = await world.sql("availability", f"{ask} and state = 'CONFIRMED'", tutors)
    assert claims["n"] == claims["times"] == TUTORS * LESSONS
    for service, program in (("payment", "payment"), ("availability", "availability")):
        assert 0 < await connections(world, service, program) <= POOL_SIZE


async def connections(world: World, service: str, name: str) -> int:
    """How many connections of this name the server has, to a service's database."""
    ask = "select count(*) from pg_stat_activity where datname = $1 and application_name = $2"
    (row,) = await world.sql("booking", ask, make_url(world.urls[f"{service}_svc"]).database, name)
    return int(row["count"])
