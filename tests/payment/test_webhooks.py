"""The webhook door: signed, stored once, applied once, whatever the order."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from uuid import uuid4

import pytest
import stripe

from tests.people import People, lesson_time, until
from tests.world import WEBHOOK_SECRET, StallAt, World


async def test_20_one_event_many_times_has_one_effect(people: People) -> None:
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id)
    await people.until_state(booked.saga_id, "COMPLETED")
    event = await people.event(booked.payment_intent_id, "payment_intent.succeeded")
    fence = (await people.saga(booked.saga_id)).fence
    for _ in range(5):
        assert await people.send_event(event) == 200
    await people.world.sql("payment", "delete from stripe_event where id = $1", event["id"])  # three days later
    assert await people.send_event(event) == 200
    assert (await people.saga(booked.saga_id)).fence == fence
    rows = await people.world.sql(
        "payment", "select 1 from saga_event where event = 'payment_succeeded' and saga_id::text = $1", booked.saga_id
    )
    assert len(rows) == 1


@pytest.mark.parametrize("order", list(itertools.permutations(["created", "declined", "succeeded"])))
async def test_21_events_in_any_order_have_the_same_end(people: People, order: tuple[str, ...]) -> None:
    await people.webhooks("drop")
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id, "pm_card_chargeDeclined")
    await people.pay(booked.payment_intent_id)
    kinds = {"created": "created", "declined": "payment_failed", "succeeded": "succeeded"}
    for name in order:
        event = await people.event(booked.payment_intent_id, f"payment_intent.{kinds[name]}")
        assert await people.send_event(event) == 200
    await people.until_state(booked.saga_id, "COMPLETED")
    assert await people.refunds_of(booked.payment_intent_id) == []


async def test_21_cancelled_and_created_reversed_end_as_cancelled(people: People) -> None:
    await people.webhooks("drop")
    booked = await people.book(await people.tutor(), lesson_time())
    await people.cancel_intent(booked.payment_intent_id)
    for kind in ("canceled", "created", "canceled"):
        await people.send_event(await people.event(booked.payment_intent_id, f"payment_intent.{kind}"))
    await people.until_state(booked.saga_id, "CANCELLED")


REFUNDED = [f"payment_intent.{kind}" for kind in ("created", "succeeded")] + ["charge.refunded"]


@pytest.mark.parametrize("order", list(itertools.permutations(REFUNDED)), ids=lambda order: ", ".join(order))
async def test_21_a_refund_told_in_any_order_is_learned_once(people: People, order: tuple[str, ...]) -> None:
    await people.webhooks("drop")
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id)
    await people.refund_by_hand(booked.payment_intent_id, 2000)
    for kind in order:
        assert await people.send_event(await people.event(booked.payment_intent_id, kind)) == 200
    await people.until_state(booked.saga_id, "COMPLETED")
    rows = await until(lambda: people.our_refunds_of(booked.payment_intent_id), bool)
    assert [(row["amount_minor"], row["status"]) for row in rows] == [(2000, "SUCCEEDED")]
    payment = await people.payment(booked.payment_id)
    assert (payment.status, payment.refunded.amount_minor) == (5, 2000)


async def test_22_a_success_that_arrives_before_our_own_commit_is_applied_once_it_is_there(
    people: People, world: World
) -> None:
    student, stall = uuid4(), StallAt("before move")
    await people.webhooks("drop")
    for replica in list(world.replicas):
        await world.stop_replica(replica)
    stalled = await world.start_replica(stall, saga_lease_seconds=30)
    booking = asyncio.ensure_future(people.book(await people.tutor(), lesson_time(), student))
    await asyncio.wait_for(stall.reached.wait(), 10)
    (row,) = await world.sql("payment", "select id::text, payment_intent_id from saga where student_id = $1", student)
    assert row["payment_intent_id"] is None
    (intent,) = await people.intents_of(row["id"])
    await people.pay(intent["id"])
    assert await people.send_event(await people.event(intent["id"], "payment_intent.succeeded")) == 200
    assert await people.state(row["id"]) == "AWAITING_AVAILABILITY"
    stall.go.set()
    assert (await booking).payment_intent_id == intent["id"]
    await people.until_state(row["id"], "COMPLETED")
    assert len(await people.intents_of(row["id"])) == 1
    await world.stop_replica(stalled)
    await world.start_replica()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body, now: (
            body,
            stripe.WebhookSignature.generate_signature_header(body, "whsec_another", timestamp=now),
        ),
        lambda body, now: (
            body + " ",
            stripe.WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET, timestamp=now),
        ),
        lambda body, now: (
            body,
            stripe.WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET, timestamp=now - 301),
        ),
        lambda body, now: (body, "t=1,v1=00"),
        lambda body, now: (body, "nonsense"),
        lambda body, now: (body, ""),
    ],
    ids=["another secret", "changed body", "too old", "bad", "malformed", "missing"],
)
async def test_23_a_signature_that_does_not_fit_is_400_and_stores_nothing(people: People, spoil: object) -> None:
    booked = await people.book(await people.tutor(), lesson_time())
    await people.webhooks("drop")
    await people.pay(booked.payment_intent_id)
    event = await people.event(booked.payment_intent_id, "payment_intent.succeeded")
    body, signature = spoil(json.dumps(event), int(time.time()))  # type: ignore[operator]
    assert await people.post_webhook(body, signature) == 400
    assert await people.world.sql("payment", "select 1 from stripe_event where id = $1", event["id"]) == []
    assert await people.state(booked.saga_id) == "AWAITING_PAYMENT"


@pytest.mark.parametrize(
    "change",
    [{"type": "invoice.paid"}, {"livemode": True}, {"data": {"object": {"object": "charge", "id": "ch_1"}}}],
    ids=["unknown type", "live mode", "no intent"],
)
async def test_27_what_is_not_ours_is_200_without_a_row(people: People, change: dict[str, object]) -> None:
    booked = await people.book(await people.tutor(), lesson_time())
    await people.webhooks("drop")
    await people.pay(booked.payment_intent_id)
    event = {**await people.event(booked.payment_intent_id, "payment_intent.succeeded"), **change}
    assert await people.send_event(event) == 200
    assert await people.world.sql("payment", "select 1 from stripe_event where id = $1", event["id"]) == []
    assert await people.state(booked.saga_id) == "AWAITING_PAYMENT"


async def test_27_an_intent_of_somebody_else_is_left_alone(people: People) -> None:
    intent = await people.create_intent(amount=700, currency="usd")
    await people.pay(intent["id"])
    event = await people.event(intent["id"], "payment_intent.succeeded")
    assert await people.send_event(event) == 200
    assert await people.refunds_of(intent["id"]) == []


async def test_24_a_database_that_is_away_makes_the_door_say_503(people: People) -> None:
    booked = await people.book(await people.tutor(), lesson_time())
    await people.webhooks("paused")
    await people.pay(booked.payment_intent_id)
    event = await people.event(booked.payment_intent_id, "payment_intent.succeeded")
    async with people.world.without_payment_database():
        assert await people.send_event(event) == 503
    await people.webhooks("normal")
    await people.until_state(booked.saga_id, "COMPLETED")


class Broken:
    """An aftermath with a bug."""

    async def settle(self, *_: object) -> bool:
        raise ZeroDivisionError


async def test_25_an_event_that_always_fails_is_parked_while_others_flow_and_retry_mends_it(people: People) -> None:
    booked = await people.book(await people.tutor(), lesson_time())
    await people.let_the_hold_end(booked.saga_id)
    await people.until_state(booked.saga_id, "EXPIRED")
    stray = await people.create_intent(amount=700, currency="usd", **{"metadata[sagaId]": booked.saga_id})
    inbox = people.world.replicas[0].app.inbox
    sound, inbox._aftermath = inbox._aftermath, Broken()
    await people.send_event(await people.event(stray["id"], "payment_intent.created"))
    for _ in range(8):
        await people.hurry_the_inbox(booked.saga_id)
        await until(
            lambda: people.inbox_of(booked.saga_id), lambda rows: rows[0]["status"] != "INBOX" or rows[0]["wake_later"]
        )
    assert [row["status"] for row in await people.inbox_of(booked.saga_id)] == ["PARKED"]
    other = await people.book(await people.tutor(), lesson_time())
    await people.pay(other.payment_intent_id)
    await people.until_state(other.saga_id, "COMPLETED")
    inbox._aftermath = sound
    await people.retry(booked.saga_id)
    await until(lambda: people.inbox_of(booked.saga_id), lambda rows: rows[0]["status"] == "DONE")
    assert (await people.intent(stray["id"]))["status"] == "canceled"


@pytest.mark.parametrize(
    "body", ["not json", "[]", "{}", '{"data": {"object": 7}}', '{"data": {"object": {"payment_intent": "pi"}}}']
)
async def test_a_signed_body_that_is_no_event_is_400(people: People, body: str) -> None:
    signature = stripe.WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET)
    assert await people.post_webhook(body, signature) == 400
