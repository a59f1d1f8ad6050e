from __future__ import annotations
import asyncio, json
from uuid import UUID, uuid4
import pytest
from mesh.errors import Refusal
from tests.people import People, lesson_time, until
from tests.world import StallAt, World
from tutormesh.payment.v1 import payment_pb2, saga_pb2
from tutormesh.payment.v1.payment_pb2_grpc import PaymentServiceStub


@pytest.fixture(autouse=True)
async def _alone(world: World):
    for r in list(world.replicas):
        await world.stop_replica(r)
    yield
    for r in list(world.replicas):
        await world.kill_replica(r)


async def show(people, saga_id):
    rows = await people.world.sql("payment", "select state, fence, news, is_complete, context->>'undo' u, lease_owner from saga where id=$1", UUID(saga_id))
    ev = await people.world.sql("payment", "select state, event from saga_event where saga_id=$1 order by seq", UUID(saga_id))
    return dict(rows[0]), [e["event"] for e in ev]


async def test_t5_stalled_look_and_webhook(people: People, world: World) -> None:
    """A drive looks at the intent, stalls past its lease; the webhook's success is applied, the lesson sold; it wakes."""
    stall = StallAt("after retrieve_intent")
    await world.start_replica(stall)
    await people.webhooks("drop")
    booked = await people.book(await people.tutor(), lesson_time())
    await world.sql("payment", "update saga set wake_at = clock_timestamp() where id=$1", UUID(booked.saga_id))
    await asyncio.wait_for(stall.reached.wait(), 10)      # has seen: not paid
    await people.pay(booked.payment_intent_id)
    await until(lambda: world.sql("payment", "select lease_until < clock_timestamp() as over from saga where id=$1", UUID(booked.saga_id)), lambda r: r[0]["over"])
    event = await people.event(booked.payment_intent_id, "payment_intent.succeeded")
    assert await people.send_event(event) == 200
    await people.until_state(booked.saga_id, "COMPLETED")
    before = await show(people, booked.saga_id)
    stall.go.set()
    await asyncio.sleep(0.5)
    after = await show(people, booked.saga_id)
    print("BEFORE", before); print("AFTER", after)
    assert after == before


async def test_t5b_cancelled_is_revived(people: People, world: World) -> None:
    stall = StallAt("after retrieve_intent")
    await world.start_replica(stall)
    await people.webhooks("drop")
    booked = await people.book(await people.tutor(), lesson_time())
    await world.sql("payment", "update saga set wake_at = clock_timestamp() where id=$1", UUID(booked.saga_id))
    await asyncio.wait_for(stall.reached.wait(), 10)
    await people.cancel_intent(booked.payment_intent_id)
    await until(lambda: world.sql("payment", "select lease_until < clock_timestamp() as over from saga where id=$1", UUID(booked.saga_id)), lambda r: r[0]["over"])
    event = await people.event(booked.payment_intent_id, "payment_intent.canceled")
    assert await people.send_event(event) == 200
    await people.until_state(booked.saga_id, "CANCELLED")
    before = await show(people, booked.saga_id)
    stall.go.set()
    await asyncio.sleep(0.5)
    after = await show(people, booked.saga_id)
    print("BEFORE", before); print("AFTER", after)
    assert after == before


async def test_t7_availability_away_for_long(people: People, world: World) -> None:
    from tests.world import FailAt
    await world.start_replica(FailAt("before HoldSlot", times=10000))
    tutor, student = await people.tutor(), uuid4()
    try:
        await people.book(tutor, lesson_time(), student)
    except Refusal as e:
        print("FIRST", e.reason)
    rows = await world.sql("payment", "select id from saga where student_id=$1", student)
    sid = str(rows[0]["id"])
    await world.sql("payment", "update saga set state_since = state_since - interval '1 hour', wake_at=clock_timestamp() where id=$1", UUID(sid))
    state = await people.until_state(sid, "EXPIRED", "REJECTED", "CANCELLED", "COMPENSATING", seconds=5)


async def test_t8_undone_without_price_leaves_an_intent_payable(people: People, world: World) -> None:
    from mesh.errors import TryAgain
    class Hook:
        broken = False
        async def __call__(self, point):
            if point == "before move" and not Hook.broken:
                Hook.broken = True
                raise TryAgain("the database is away")
            if point == "before HoldSlot" and Hook.broken:
                raise TryAgain("calendars are locked")
    await world.start_replica(Hook())
    student = uuid4()
    try:
        await people.book(await people.tutor(), lesson_time(), student)
    except Refusal as e:
        print("FIRST", e.reason)
    rows = await world.sql("payment", "select id from saga where student_id=$1", student)
    sid = str(rows[0]["id"])
    await world.sql("payment", "update saga set state_since = state_since - interval '1 hour' where id=$1", UUID(sid))
    await people.until_state(sid, "EXPIRED")
    print(await show(people, sid))
    assert [i["status"] for i in await people.intents_of(sid)] == ["canceled"]


async def test_t9_unknown_versions_starve_known_ones(people: People, world: World) -> None:
    r = await world.start_replica()
    booked = await people.book(await people.tutor(), lesson_time())
    await world.sql("payment", """insert into saga (id, kind, version, state, request_hash, context, wake_at, student_id, tutor_id, time_slot, minutes, booking_id, session_id, payment_id)
       select gen_random_uuid(), kind, 99, 'COMPENSATING', request_hash, context, clock_timestamp() - interval '1 hour', gen_random_uuid(), tutor_id, time_slot, minutes, gen_random_uuid(), gen_random_uuid(), gen_random_uuid()
       from saga, generate_series(1, 50) where id=$1""", UUID(booked.saga_id))
    try:
        await people.let_the_hold_end(booked.saga_id)
        await people.until_state(booked.saga_id, "EXPIRED", seconds=5)
    finally:
        await world.sql("payment", "delete from saga where version=99")


async def test_t12_reconcile_refunds_before_the_session_is_cancelled(people: People, world: World) -> None:
    stall = StallAt("before CancelSession")
    await world.start_replica(stall)
    tutor = await people.tutor()
    booked = await people.book(tutor, lesson_time())
    await people.pay(booked.payment_intent_id)
    await people.until_state(booked.saga_id, "COMPLETED")
    person = world.token("tutor", subject=tutor)
    stub = people.stub(PaymentServiceStub, "payment", "bff", person)
    cancelling = asyncio.ensure_future(stub.CancelBooking(payment_pb2.CancelBookingRequest(booking_id=booked.booking_id), timeout=15))
    await asyncio.wait_for(stall.reached.wait(), 10)
    await people.operator.Reconcile(saga_pb2.ReconcileRequest(), timeout=20)
    refunds = await people.refunds_of(booked.payment_intent_id)
    print("REFUNDS while session stands", [(r["amount"], r["status"]) for r in refunds], (await people.session(booked.session_id)).status)
    # the lesson took place meanwhile
    await world.sql("session", "update session set scheduled_at = scheduled_at - interval '30 days', status='COMPLETED', completed_at=clock_timestamp() where id=$1", UUID(booked.session_id))
    stall.go.set()
    try:
        print("ANSWER", await cancelling)
    except Exception as e:
        print("ANSWER", repr(e))
    print("BOOKING", (await people.booking(booked.booking_id)).status)
    assert await people.refunds_of(booked.payment_intent_id) == []


async def test_t13_second_cancel_while_refund_pending(people: People, world: World) -> None:
    await world.start_replica()
    await people.webhooks("drop")
    student = uuid4()
    booked = await people.book(await people.tutor(), lesson_time(), student)
    await people.pay(booked.payment_intent_id)
    await people.fault("/v1/refunds", "refund_pending", times=10)
    person = world.token("student", subject=student)
    stub = people.stub(PaymentServiceStub, "payment", "bff", person)
    req = payment_pb2.CancelBookingRequest(booking_id=booked.booking_id)
    first = await stub.CancelBooking(req, timeout=8)
    print("FIRST", first)
    second = await stub.CancelBooking(req, timeout=8)
    assert first.refund == second.refund


async def test_t14_cancel_claims_a_saga_past_its_pivot(people: People, world: World) -> None:
    """cancel reads AWAITING_PAYMENT; webhook applies; the drive confirms the slot and backs off; cancel claims."""
    from mesh.errors import CallFailed
    import grpc
    class Hook:
        n = 0
        async def __call__(self, point):
            if point == "after CreateConfirmedSession":
                raise CallFailed(grpc.StatusCode.UNAVAILABLE, "lost")
    r = await world.start_replica(Hook())
    await people.webhooks("drop")
    student = uuid4()
    booked = await people.book(await people.tutor(), lesson_time(), student)
    await people.pay(booked.payment_intent_id)
    event = await people.event(booked.payment_intent_id, "payment_intent.succeeded")
    store = r.app.engine.store._inner
    real = store.claim_free
    async def slow(saga):
        if saga.state == "AWAITING_PAYMENT":
            await people.send_event(event)
            await people.until_backing_off(booked.saga_id)
        return await real(saga)
    store.claim_free = slow
    person = world.token("student", subject=student)
    stub = people.stub(PaymentServiceStub, "payment", "bff", person)
    try:
        print("ANSWER", await stub.CancelBooking(payment_pb2.CancelBookingRequest(booking_id=booked.booking_id), timeout=8))
    except Exception as e:
        print("ANSWER", repr(e))
    print("STATE", await show(people, booked.saga_id), "SESSION", (await people.session(booked.session_id)).status, "BOOKING", (await people.booking(booked.booking_id)).status, await people.claims(booked.saga_id))
    assert not (await people.state(booked.saga_id) in ("REFUNDED", "CANCELLED") and (await people.session(booked.session_id)).status == 1)
