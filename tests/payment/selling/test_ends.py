"""What a student has seen has an end, the same one wherever it is told, and at its time."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from mesh.errors import Refusal
from payment_svc.settling.callbacks import Outcome, Report
from tests.payment.faults import ALWAYS, opening_of, put_to_sleep
from tests.people import Booked, People, lesson_time
from tests.world import FailAt, World
from tutormesh.booking.v1 import booking_pb2

CANCELLED, EXPIRED = booking_pb2.BOOKING_STATUS_CANCELLED, booking_pb2.BOOKING_STATUS_EXPIRED


@pytest.fixture(scope="module")
def world_settings() -> dict[str, dict[str, Any]]:
    """A channel, so that what people are told is written down."""
    secret = "whsec_0123456789abcdef"
    return {"payment": {"notify_webhook_url": "http://127.0.0.1:9/none", "notify_webhook_secret": secret}}


async def told_of(world: World, booking: str) -> list[str]:
    ask = "select type from notification where subject_id = $1 order by seq"
    return [row["type"] for row in await world.sql("payment", ask, UUID(booking))]


async def seen_without_a_payment(people: People, world: World) -> Booked:
    """A booking that its student sees, for which the provider gives no intent."""
    tutor, student = await people.tutor(), uuid4()
    await people.fault("/v1/payment_intents", "error_before", times=ALWAYS)
    with pytest.raises(Refusal) as refused:
        await people.book(tutor, lesson_time(), student)
    assert refused.value.reason == "PAYMENT_PROVIDER_UNAVAILABLE"
    saga = await opening_of(people, student)
    (row,) = await world.sql("payment", "select * from saga where id = $1", UUID(saga))
    ids = (str(row[name]) for name in ("booking_id", "id", "session_id", "payment_id"))
    return Booked(*ids, "", student, tutor)


async def test_a_booking_that_cannot_be_paid_yet_is_not_unknown_to_who_cancels_it(people: People, world: World) -> None:
    booked = await seen_without_a_payment(people, world)
    with pytest.raises(Refusal) as refused:
        await people.cancel(booked)
    assert refused.value.reason == "TRY_AGAIN"
    await people.no_faults()
    await people.until_state(booked.saga, "AWAITING_PAYMENT")
    await people.cancel(booked)
    assert (await people.booking(booked.booking)).status == CANCELLED


async def test_the_end_of_a_booking_that_never_could_be_paid_is_told(people: People, world: World) -> None:
    booked = await seen_without_a_payment(people, world)
    await put_to_sleep(people, booked.saga)
    await people.let_the_hold_end(booked.saga)
    await people.no_faults()
    await people.until_state(booked.saga, "EXPIRED")
    assert (await people.booking(booked.booking)).status == EXPIRED
    assert await told_of(world, booked.booking) == ["booking.expired"]


@pytest.mark.usefixtures("no_replica")
async def test_people_are_told_the_end_that_the_booking_shows(people: People, world: World) -> None:
    """The hold ends between the booking's end and the try that frees the slot."""
    await world.start_replica(FailAt("before ReleaseSlot", times=3))
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.update_intent(booked.intent, amount=100)
    await people.pay(booked.intent)
    await people.until_backing_off(booked.saga)
    assert (await people.booking(booked.booking)).status == CANCELLED
    await people.let_the_hold_end(booked.saga)
    await people.until_state(booked.saga, "REFUNDED")
    assert (await people.booking(booked.booking)).status == CANCELLED
    assert "booking.cancelled" in await told_of(world, booked.booking)


async def test_a_look_that_failed_does_not_sleep_past_the_holds_end(people: People, world: World) -> None:
    booked = await people.booked(await people.tutor(), lesson_time())
    late = """update saga set state_since = clock_timestamp() - interval '11 minutes',
                  hold_ends = clock_timestamp() + interval '20 seconds' where id = $1"""
    await world.sql("payment", late, UUID(booked.saga))
    await people.fault(f"/v1/payment_intents/{booked.intent}", "error_before", method="GET", times=ALWAYS)
    await world.replicas[0].app.reconcile.stores.sagas.signal(UUID(booked.saga))
    await people.until_backing_off(booked.saga)
    (row,) = await world.sql(
        "payment", "select wake_at <= hold_ends as in_time from saga where id = $1", UUID(booked.saga)
    )
    assert row["in_time"]
    await people.no_faults()


async def test_a_report_leaves_a_saga_of_an_unknown_version_alone(people: People, world: World) -> None:
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.webhooks("drop")
    await people.pay(booked.intent)
    await world.sql("payment", "update saga set version = 2 where id = $1", UUID(booked.saga))
    callbacks = world.replicas[0].app.callbacks
    await callbacks.receive(Report(UUID(booked.booking), "a reference", Outcome.SUCCEEDED, ""))
    (row,) = await world.sql("payment", "select state, fence from saga where id = $1", UUID(booked.saga))
    assert (row["state"], row["fence"]) == ("AWAITING_PAYMENT", 1)
    await world.sql("payment", "update saga set version = 1 where id = $1", UUID(booked.saga))
    await people.webhooks("normal")
