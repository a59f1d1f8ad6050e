"""A cancel that is held up until the lesson has completed by itself: what was decided first, and promised, is done."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from mesh.errors import Refusal
from tests.payment.faults import sold, timeline_of
from tests.people import People, lesson_time, wait_until
from tests.world import StallAt, World
from tutormesh.booking.v1 import booking_pb2
from tutormesh.session.v1 import session_pb2

CANCELLED_BOOKING, CANCELLED_SESSION = booking_pb2.BOOKING_STATUS_CANCELLED, session_pb2.SESSION_STATUS_CANCELLED
pytestmark = pytest.mark.usefixtures("short_pauses")
#: The lesson ends now, after the decision, and is completed at once.
COMPLETED_MEANWHILE = """
update session set scheduled_at = clock_timestamp() - make_interval(mins => duration_minutes), status = 'COMPLETED',
    completed_at = clock_timestamp() where id = $1
"""


async def test_a_cancel_decided_before_the_end_pays_back_though_the_lesson_completed_meanwhile(
    people: People, world: World
) -> None:
    for replica in list(world.replicas):
        await world.stop_replica(replica)
    stall = StallAt("before CancelSession")
    await world.start_replica(stall)
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "COMPLETED")
    cancel = asyncio.ensure_future(people.cancel(booked))
    await asyncio.wait_for(stall.reached.wait(), 10)
    await world.sql("session", COMPLETED_MEANWHILE, UUID(booked.session))
    stall.go.set()
    assert (await cancel).refund.amount_minor == 5000
    await people.until_state((await cancel).saga_id, "REFUNDED")
    assert (await people.session(booked.session)).status == CANCELLED_SESSION
    assert (await people.booking(booked.booking)).status == CANCELLED_BOOKING
    assert [refund["amount"] for refund in await people.refunds_of(booked.intent)] == [5000]


async def test_a_cancel_that_is_refused_is_not_told_as_one(people: People, world: World) -> None:
    booked = await sold(people)
    ended = """update session set scheduled_at = scheduled_at - interval '30 days', status = 'COMPLETED',
               completed_at = clock_timestamp() where id = $1"""
    await world.sql("session", ended, UUID(booked.session))
    with pytest.raises(Refusal) as refused:
        await people.cancel(booked, who=booked.tutor, role="tutor")
    assert refused.value.reason == "NOT_CANCELLABLE"
    assert (await timeline_of(people, booked))[-1] == "completed"


async def test_a_cancel_that_succeeds_is_told_once(people: People) -> None:
    booked = await sold(people)
    await people.cancel(booked)
    await wait_until(lambda: people.nothing_open(booked.student), bool)
    assert (await timeline_of(people, booked))[-2:] == ["completed", "cancelled"]
