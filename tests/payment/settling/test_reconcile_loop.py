"""A lost webhook is found by the loop alone: nobody asks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from payment_svc.settling import reconcile
from tests.payment.faults import sold
from tests.people import People, lesson_time, wait_until
from tests.scraped import own

MINUTES_AGO = "clock_timestamp() - interval '3 minutes'"


@pytest.fixture(scope="module")
def world_settings() -> dict[str, dict[str, Any]]:
    return {"payment": {"reconcile_seconds": 0.3}}


@pytest.fixture(autouse=True)
def quick_webhooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A webhook is on its way for five seconds at most. The provider tells the time of an event in whole seconds."""
    monkeypatch.setattr(reconcile, "LOOP", replace(reconcile.LOOP, event_older_than=5.0))


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
    booked, before = await sold(people), untold()
    await people.webhooks("drop")
    await people.refund_by_hand(booked.intent, 2000)
    await wait_until(lambda: people.payment(booked.payment), lambda payment: payment.refunded.amount_minor == 2000)
    assert untold() > before


async def test_an_event_that_changed_nothing_when_its_webhook_came_is_no_lost_webhook(people: People) -> None:
    """While a purchase is undone, it asks about its refund itself: the refund's events are ignored, and not stored."""
    await people.webhooks("normal")
    await people.fault("/v1/refunds", "refund_failed")
    booked, before = await people.booked(await people.tutor(), lesson_time()), untold()
    await people.update_intent(booked.intent, amount=100)
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "REFUNDED")
    stored = "select 1 from stripe_event where saga_id = $1 and type = 'refund.failed' and status = 'DONE'"
    await wait_until(lambda: people.world.sql("payment", stored, UUID(booked.saga)), bool)  # the loop has looked again
    assert untold() == before


def untold() -> float:
    """How many lost webhooks of refunds and disputes reconcile has counted."""
    return own().value("tutormesh_reconcile_found_total", stage="untold")
