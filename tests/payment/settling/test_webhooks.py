"""The webhook door: signed, stored once, applied once, whatever the order."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
import stripe
from structlog.testing import capture_logs

from payment_svc.settling.late_payments import LatePayments
from tests.people import People, lesson_time, wait_until
from tests.world import WEBHOOK_SECRET, StallAt, World
from tutormesh.payment.v1 import payment_pb2


async def test_20_one_event_many_times_has_one_effect(people: People) -> None:
    await people.webhooks("drop")
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id)
    event = await people.event(booked.payment_intent_id, "payment_intent.succeeded")
    assert await people.state(booked.saga_id) == "AWAITING_PAYMENT"
    assert await asyncio.gather(*(people.send_event(event) for _ in range(5))) == [200] * 5
    await people.until_state(booked.saga_id, "COMPLETED")
    fence = (await people.saga(booked.saga_id)).fence
    for _ in range(5):  # an hour later
        assert await people.send_event(event) == 200
    assert len(await people.world.sql("payment", "select 1 from stripe_event where id = $1", event["id"])) == 1
    await people.world.sql("payment", "delete from stripe_event where id = $1", event["id"])  # three days later
    assert await people.send_event(event) == 200
    assert (await people.saga(booked.saga_id)).fence == fence
    rows = await people.world.sql(
        "payment", "select event from saga_event where saga_id::text = $1 order by seq", booked.saga_id
    )
    assert [row["event"] for row in rows] == ["started", "payment_opened", "payment_succeeded", "completed"]
    assert await people.refunds_of(booked.payment_intent_id) == []


async def test_20_an_event_that_is_stored_already_moves_no_saga(
    people: People, capsys: pytest.CaptureFixture[str]
) -> None:
    await people.webhooks("drop")
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id)
    event = await people.event(booked.payment_intent_id, "payment_intent.succeeded")
    store = """insert into stripe_event (id, type, saga_id, payment_intent_id, status, processed_at)
        values ($1, $2, $3::text::uuid, $4, 'DONE', clock_timestamp())"""
    await people.world.sql("payment", store, event["id"], event["type"], booked.saga_id, booked.payment_intent_id)
    assert await people.send_event(event) == 200
    assert await people.state(booked.saga_id) == "AWAITING_PAYMENT"
    assert "event_crashed" not in capsys.readouterr().out, "it is known before it is refused by its key"
    assert await people.send_event(event | {"id": "evt_another"}) == 200
    await people.until_state(booked.saga_id, "COMPLETED")


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
    rows = await wait_until(lambda: people.our_refunds_of(booked.payment_intent_id), bool)
    assert [(row["amount_minor"], row["status"]) for row in rows] == [(2000, "SUCCEEDED")]
    payment = await people.payment(booked.payment_id)
    assert (payment.status, payment.refunded.amount_minor) == (payment_pb2.PAYMENT_STATUS_PARTIALLY_REFUNDED, 2000)


async def test_22_a_success_that_arrives_before_our_own_commit_is_applied_once_it_is_there(
    people: People, world: World
) -> None:
    student, stall = uuid4(), StallAt("before commit")
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


NEW_SECRET = "whsec_new"


def sign(body: str, *secrets: str) -> str:
    """The header of an event that each of these secrets signs, as Stripe signs while it rolls one."""
    now = int(time.time())
    headers = (stripe.WebhookSignature.generate_signature_header(body, secret, timestamp=now) for secret in secrets)
    return f"t={now}," + ",".join(header.partition(",")[2] for header in headers)


@pytest.mark.parametrize(
    ("configured", "believed", "refused"),
    [
        (f"{NEW_SECRET},{WEBHOOK_SECRET}", [(NEW_SECRET,), (WEBHOOK_SECRET,)], [("whsec_other",), ("whsec_new,",)]),
        (
            f"{WEBHOOK_SECRET} , {NEW_SECRET}",
            [(NEW_SECRET,), (WEBHOOK_SECRET,)],
            [(f"{WEBHOOK_SECRET} , {NEW_SECRET}",)],
        ),
        (NEW_SECRET, [(NEW_SECRET,), (WEBHOOK_SECRET, NEW_SECRET)], [(WEBHOOK_SECRET,), ("",)]),
    ],
    ids=["the new one first", "the old one first", "the old one withdrawn"],
)
async def test_56_each_configured_secret_is_believed_and_no_other(
    people: People,
    world: World,
    configured: str,
    believed: list[tuple[str, ...]],
    refused: list[tuple[str, ...]],
) -> None:
    await people.webhooks("drop")
    booked = [await people.book(await people.tutor(), lesson_time()) for _ in believed]
    for replica in list(world.replicas):
        await world.stop_replica(replica)
    rotating = await world.start_replica(stripe_webhook_secret=configured)
    for one, secrets in zip(booked, believed, strict=True):
        await people.pay(one.payment_intent_id)
        body = json.dumps(await people.event(one.payment_intent_id, "payment_intent.succeeded"))
        for wrong in refused:
            assert await people.post_webhook(body, sign(body, *wrong)) == 400
        assert await people.state(one.saga_id) == "AWAITING_PAYMENT"
        assert await people.post_webhook(body, sign(body, *secrets)) == 200
        await people.until_state(one.saga_id, "COMPLETED")
    await world.stop_replica(rotating)
    await world.start_replica()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "invoice.paid"}, "not_handled"),
        ({"livemode": True}, "other_mode"),
        ({"data": {"object": {"object": "charge", "id": "ch_1"}}}, "no_intent"),
    ],
    ids=["unknown type", "live mode", "no intent"],
)
async def test_27_what_is_not_ours_is_200_without_a_row_and_one_line_says_why(
    people: People, change: dict[str, object], reason: str
) -> None:
    booked = await people.book(await people.tutor(), lesson_time())
    await people.webhooks("drop")
    await people.pay(booked.payment_intent_id)
    event = {**await people.event(booked.payment_intent_id, "payment_intent.succeeded"), **change}
    assert await lines_about_ignored(people, event) == [reason]
    assert await people.world.sql("payment", "select 1 from stripe_event where id = $1", event["id"]) == []
    assert await people.state(booked.saga_id) == "AWAITING_PAYMENT"


@pytest.mark.parametrize("kind", ["created", "succeeded"])
async def test_27_an_intent_of_somebody_else_is_left_alone(people: People, kind: str) -> None:
    await people.webhooks("drop")
    intent = await people.create_intent(amount=700, currency="usd")
    await people.pay(intent["id"])
    event = await people.event(intent["id"], f"payment_intent.{kind}")
    assert await lines_about_ignored(people, event) == ["not_ours"]
    assert await people.world.sql("payment", "select 1 from stripe_event where id = $1", event["id"]) == []
    assert await people.refunds_of(intent["id"]) == []


@pytest.mark.parametrize("kind", ["created", "succeeded"])
async def test_27_an_event_of_ours_is_not_told_as_ignored(people: People, kind: str) -> None:
    await people.webhooks("drop")
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id)
    event = await people.event(booked.payment_intent_id, f"payment_intent.{kind}")
    assert await lines_about_ignored(people, event) == []


async def lines_about_ignored(people: People, event: dict[str, Any]) -> list[str]:
    """Bring an event to the door, which says 200: the reasons of the log's lines about ignored ones."""
    await wait_until(people.stripe_state, lambda state: not state["webhooks"]["queued"])
    with capture_logs() as lines:
        assert await people.send_event(event) == 200
    return [line["reason"] for line in lines if line["event"] == "event_ignored"]


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
    """The settling of late payments, with a bug that one saga meets."""

    def __init__(self, sound: LatePayments, saga_id: str) -> None:
        self.sound, self.saga_id = sound, saga_id

    async def settle(self, saga_id: UUID, intent_id: str) -> bool:
        if str(saga_id) == self.saga_id:
            raise ZeroDivisionError
        return await self.sound.settle(saga_id, intent_id)


async def ended_unpaid(people: People) -> str:
    booked = await people.book(await people.tutor(), lesson_time())
    await people.let_the_hold_end(booked.saga_id)
    await people.until_state(booked.saga_id, "EXPIRED")
    return booked.saga_id


async def test_25_an_event_that_always_fails_is_parked_while_others_flow_and_retry_mends_it(people: People) -> None:
    broken, other = await ended_unpaid(people), await ended_unpaid(people)
    stray = await people.stray_of(broken)
    inbox = people.world.replicas[0].app.inbox
    sound = inbox._late_payments
    inbox._late_payments = cast(LatePayments, Broken(sound, broken))
    await people.send_event(await people.event(stray["id"], "payment_intent.created"))
    await wait_until(lambda: people.inbox_of(broken), lambda rows: rows and rows[0]["wake_later"])

    late = await people.stray_of(other)  # money for an ended booking, through the same inbox
    await people.pay(late["id"])
    await wait_until(lambda: people.inbox_of(other), lambda rows: rows and all(row["status"] == "DONE" for row in rows))
    assert [refund["amount"] for refund in await people.refunds_of(late["id"])] == [5000]
    assert {row["status"] for row in await people.inbox_of(broken)} == {"INBOX"}

    for _ in range(8):
        await people.hurry_the_inbox(broken)
        await wait_until(
            lambda: people.inbox_of(broken), lambda rows: rows[0]["status"] != "INBOX" or rows[0]["wake_later"]
        )
    assert [row["status"] for row in await people.inbox_of(broken)] == ["PARKED"]
    inbox._late_payments = sound
    await people.retry(broken)
    await wait_until(lambda: people.inbox_of(broken), lambda rows: rows[0]["status"] == "DONE")
    assert (await people.intent(stray["id"]))["status"] == "canceled"
