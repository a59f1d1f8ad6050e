"""What a student has seen has an end, the same one wherever it is told, and at its time."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from mesh.errors import Refusal
from tests.payment.bad_days import ALWAYS, opening_of, put_to_sleep
from tests.people import Booked, People, lesson_time
from tests.world import World

CANCELLED, EXPIRED = 3, 5


@pytest.fixture(scope="module")
def world_settings() -> dict[str, dict[str, Any]]:
    """A channel, so that what people are told is written down."""
    secret = "whsec_0123456789abcdef"  # noqa: S105 - of nobody
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
