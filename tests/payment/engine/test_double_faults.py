"""Days on which several things go wrong at once: whoever stalls, refuses or is away, no slot and no cent is lost."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from mesh.errors import Refusal, TryAgain
from tests.payment.faults import (
    ALWAYS,
    ForgetsThePrice,
    Meanwhile,
    cancel_of,
    each,
    let_time_pass,
    opening_of,
    put_to_sleep,
    row_of,
    sold,
    timeline_of,
    told_by,
)
from tests.people import People, lesson_time
from tests.world import FailAt, StallAt, World
from tutormesh.booking.v1 import booking_pb2
from tutormesh.payment.v1 import saga_pb2
from tutormesh.session.v1 import session_pb2

CANCELLED = booking_pb2.BOOKING_STATUS_CANCELLED


pytestmark = pytest.mark.usefixtures("no_replica")


@pytest.mark.parametrize(
    ("provider", "news", "end"),
    [("pay", "payment_intent.succeeded", "COMPLETED"), ("cancel_intent", "payment_intent.canceled", "CANCELLED")],
)
async def test_a_stalled_owners_late_write_after_a_webhooks_transition_changes_nothing(
    people: People, world: World, provider: str, news: str, end: str
) -> None:
    stall = StallAt("after retrieve_intent")
    replica = await world.start_replica(stall)
    await people.webhooks("drop")
    booked = await people.booked(await people.tutor(), lesson_time())
    await world.sql("payment", "update saga set wake_at = clock_timestamp() where id = $1", UUID(booked.saga))
    await asyncio.wait_for(stall.reached.wait(), 10)  # it has seen an intent that is not paid
    stalled = replica.app.engine._runs[UUID(booked.saga)]
    await getattr(people, provider)(booked.intent)
    lapse = "update saga set lease_until = clock_timestamp() - interval '1 second' where id = $1"
    await world.sql("payment", lapse, UUID(booked.saga))
    assert await people.send_event(await people.event(booked.intent, news)) == 200
    await people.until_state(booked.saga, end)
    before = await row_of(people, booked.saga), await told_by(people, booked.saga)
    stall.go.set()
    assert (await asyncio.wait_for(stalled, 10)).state == end
    assert (await row_of(people, booked.saga), await told_by(people, booked.saga)) == before


async def test_a_cancel_never_undoes_a_saga_past_its_pivot(people: People, world: World) -> None:
    meanwhile = Meanwhile("before claim_free")
    await world.start_replica(each(meanwhile, FailAt("after CreateConfirmedSession", times=3)))
    await people.webhooks("drop")
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.pay(booked.intent)
    event = await people.event(booked.intent, "payment_intent.succeeded")

    async def the_payment_is_heard_of() -> None:
        assert await people.send_event(event) == 200
        await people.until_backing_off(booked.saga)

    meanwhile.act = the_payment_is_heard_of
    assert (await people.cancel(booked)).refund.amount_minor == 5000
    assert meanwhile.act is None
    assert await timeline_of(people, booked) == [
        "started",
        "payment_opened",
        "payment_succeeded",
        "completed",
        "cancelled",
    ]
    assert (await people.session(booked.session)).status == session_pb2.SESSION_STATUS_CANCELLED
    assert (await people.booking(booked.booking)).status == CANCELLED
    assert await people.claims(booked.saga) == []


async def test_reconcile_does_not_pay_a_cancels_refund_before_its_other_steps(people: People, world: World) -> None:
    stall = StallAt("before CancelSession")
    await world.start_replica(stall)
    booked = await sold(people)
    cancelling = asyncio.ensure_future(people.cancel(booked, who=booked.tutor, role="tutor"))
    await asyncio.wait_for(stall.reached.wait(), 10)
    await people.operator.Reconcile(saga_pb2.ReconcileRequest(), timeout=20)
    assert [row["status"] for row in await people.refund_rows(booked)] == ["PENDING"]
    assert await people.refunds_of(booked.intent) == []
    stall.go.set()
    assert (await cancelling).refund.amount_minor == 5000
    assert [refund["amount"] for refund in await people.refunds_of(booked.intent)] == [5000]


async def test_a_cancels_refund_that_was_made_by_hand_meanwhile_ends_well(people: People, world: World) -> None:
    await world.start_replica()
    booked = await sold(people)
    await people.webhooks("drop")
    await people.fault("/v1/refunds", "error_before", times=ALWAYS)
    with pytest.raises(Refusal) as refused:
        await people.cancel(booked)
    assert refused.value.reason == "TRY_AGAIN"
    cancel = await cancel_of(people, booked)
    await put_to_sleep(people, cancel)
    await people.no_faults()
    await people.refund_by_hand(booked.intent, 5000)
    await people.retry(cancel)
    await people.until_state(cancel, "REFUNDED")
    assert [refund["amount"] for refund in await people.refunds_of(booked.intent)] == [5000]
    payment = await people.payment(booked.payment)
    assert (payment.refunded.amount_minor, payment.received_minor) == (5000, 5000)


async def test_an_undos_refund_that_was_made_by_hand_meanwhile_ends_well(people: People, world: World) -> None:
    await world.start_replica()
    await people.webhooks("drop")
    await people.fault("/v1/refunds", "error_before", times=ALWAYS)
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.update_intent(booked.intent, amount=100)
    await people.pay(booked.intent)
    await people.send_event(await people.event(booked.intent, "payment_intent.succeeded"))
    await put_to_sleep(people, booked.saga)
    assert await people.claims(booked.saga) == []  # slot and booking are free before the money is back
    assert (await people.booking(booked.booking)).status == CANCELLED
    await people.no_faults()
    await people.refund_by_hand(booked.intent, 100)
    await people.retry(booked.saga)
    await people.until_state(booked.saga, "REFUNDED")
    assert [refund["amount"] for refund in await people.refunds_of(booked.intent)] == [100]
    assert (await people.payment(booked.payment)).refunded.amount_minor == 100


async def undone_without_price(people: People, world: World) -> str:
    """The saga of a booking whose drive died with all it knew; its slot could not be asked about again, so it ended."""
    await world.start_replica(ForgetsThePrice())
    student = uuid4()
    with pytest.raises(TryAgain):
        await people.book(await people.tutor(), lesson_time(), student)
    saga_id = await opening_of(people, student)
    assert [intent["status"] for intent in await people.intents_of(saga_id)] == ["requires_payment_method"]
    await people.until_backing_off(saga_id)
    assert "price" not in str((await row_of(people, saga_id))[0]["context"])
    await let_time_pass(people, saga_id, hours=1)
    await people.until_state(saga_id, "EXPIRED")
    return saga_id


async def test_an_undo_that_does_not_know_the_price_still_closes_the_intent(people: People, world: World) -> None:
    saga_id = await undone_without_price(people, world)
    assert [intent["status"] for intent in await people.intents_of(saga_id)] == ["canceled"]
    assert await people.claims(saga_id) == []


async def test_an_undo_that_does_not_know_the_price_leaves_a_cancelled_payment(people: People, world: World) -> None:
    saga_id = await undone_without_price(people, world)
    rows = await world.sql("payment", "select status from payment where saga_id = $1", UUID(saga_id))
    assert rows[0]["status"] == "CANCELLED"


async def test_an_opening_whose_availability_is_away_for_minutes_gives_up(people: People, world: World) -> None:
    await world.start_replica(FailAt("before HoldSlot", times=ALWAYS))
    tutor, student = await people.tutor(), uuid4()
    with pytest.raises(TryAgain):
        await people.book(tutor, lesson_time(), student)
    saga_id = await opening_of(people, student)
    await people.until_backing_off(saga_id)
    await let_time_pass(people, saga_id, hours=0.1)
    await people.until_state(saga_id, "EXPIRED")
    await world.start_replica()
    assert await people.intents_of(saga_id) == []
    assert await people.claims(saga_id) == []


async def test_one_poisoned_intent_does_not_stop_reconcile(people: People, world: World) -> None:
    await world.start_replica()
    await people.webhooks("drop")
    tutor = await people.tutor()
    two = [await people.booked(tutor, lesson_time(hour=hour)) for hour in (8, 12)]
    poisoned, paid = sorted(two, key=lambda booked: UUID(booked.saga))  # reconcile looks in this order
    await people.pay(paid.intent)
    rename = "update saga set payment_intent_id = $2 where id = $1"
    await world.sql("payment", rename, UUID(poisoned.saga), "pi_nobody_knows")
    found = await people.operator.Reconcile(saga_pb2.ReconcileRequest(), timeout=20)
    await world.sql("payment", rename, UUID(poisoned.saga), poisoned.intent)
    assert found.moved >= 1
    await people.until_state(paid.saga, "COMPLETED")
    await people.cancel(poisoned)


async def test_fifty_due_sagas_of_an_unknown_version_do_not_starve_recovery(people: People, world: World) -> None:
    await world.start_replica()
    booked = await people.booked(await people.tutor(), lesson_time())
    await world.sql(
        "payment",
        """insert into saga (id, kind, version, state, request_hash, context, wake_at, student_id, tutor_id, time_slot,
                             minutes, booking_id, session_id, payment_id)
           select gen_random_uuid(), kind, 99, 'COMPENSATING', request_hash, context,
                  clock_timestamp() - interval '1 hour', gen_random_uuid(), tutor_id, time_slot, minutes,
                  gen_random_uuid(), gen_random_uuid(), gen_random_uuid()
           from saga, generate_series(1, 50) where id = $1""",
        UUID(booked.saga),
    )
    try:
        await people.let_the_hold_end(booked.saga)
        await people.until_state(booked.saga, "EXPIRED")
    finally:
        await world.sql("payment", "delete from saga where version = 99")
