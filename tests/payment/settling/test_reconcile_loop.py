"""A lost webhook is found by the loop alone: nobody asks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.payment.faults import sold
from tests.people import People, lesson_time, wait_until

MINUTES_AGO = "clock_timestamp() - interval '3 minutes'"


@pytest.fixture(scope="module")
def world_settings() -> dict[str, dict[str, Any]]:
    return {"payment": {"reconcile_seconds": 0.3}}


async def test_26_the_loop_finds_a_payment_that_no_webhook_told_of_once_it_has_been_open_for_two_minutes(
    people: People,
) -> None:
    await people.webhooks("drop")
    fresh, stale = [await people.booked(await people.tutor(), lesson_time()) for _ in range(2)]
    for booked in (fresh, stale):
        await people.pay(booked.intent)
    since = f"update saga set state_since = {MINUTES_AGO}, created_at = {MINUTES_AGO} where id = $1"
    await people.world.sql("payment", since, UUID(stale.saga))
    await people.until_state(stale.saga, "COMPLETED")
    assert await people.state(fresh.saga) == "AWAITING_PAYMENT"
    await people.world.sql("payment", since, UUID(fresh.saga))
    await people.until_state(fresh.saga, "COMPLETED")


async def test_26_the_loop_finds_a_refund_by_hand_that_no_webhook_told_of(people: People) -> None:
    booked = await sold(people)
    await people.webhooks("drop")
    await people.refund_by_hand(booked.intent, 2000)
    await wait_until(lambda: people.payment(booked.payment), lambda payment: payment.refunded.amount_minor == 2000)
