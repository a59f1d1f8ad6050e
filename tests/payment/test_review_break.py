from __future__ import annotations
import asyncio, json
from uuid import UUID, uuid4
import pytest
from mesh.errors import Refusal
from tests.people import People, lesson_time, until
from tests.world import StallAt, World
from mesh.channels import connect
from tutormesh.payment.v1 import payment_pb2, saga_pb2
from tutormesh.payment.v1.payment_pb2_grpc import PaymentServiceStub


async def reason_of(call):
    try:
        got = await call
        return f"BOOKED {got.saga_state}"
    except Refusal as error:
        return error.reason


async def test_t1a_key_other_length(people: People) -> None:
    tutor, student = await people.tutor(), uuid4()
    await people.book(tutor, lesson_time(), student, idempotency_key="k1")
    assert await reason_of(people.book(tutor, lesson_time(), student, minutes=30, idempotency_key="k1")) == "IDEMPOTENCY_MISMATCH"


async def test_t1b_key_other_purpose(people: People) -> None:
    tutor, student = await people.tutor(), uuid4()
    await people.book(tutor, lesson_time(), student, idempotency_key="k1", purpose="a")
    assert await reason_of(people.book(tutor, lesson_time(), student, idempotency_key="k1", purpose="b")) == "IDEMPOTENCY_MISMATCH"


async def test_t1c_key_of_another_open_slot(people: People) -> None:
    tutor, student = await people.tutor(), uuid4()
    await people.book(tutor, lesson_time(), student, idempotency_key="k1")
    await people.book(tutor, lesson_time(hour=14), student, idempotency_key="k2")
    assert await reason_of(people.book(tutor, lesson_time(hour=14), student, idempotency_key="k1")) == "IDEMPOTENCY_MISMATCH"


async def test_t2_key_left_on_a_rejected_saga(people: People) -> None:
    """remember_key commits right after the rejection it raced."""
    tutor, student = await people.tutor(), uuid4()
    await people.book(tutor, lesson_time())
    engine = people.world.replicas[0].app.engine
    store = engine.store
    real = store.by_slot
    gate = StallAt("before HoldSlot")
    # request 2 has read the open saga, then request 1 is rejected, then request 2 remembers its key
    async def slow_by_slot(order):
        saga = await real(order)
        if saga is not None and order.key == "k2":
            await people.until_state(str(saga.id), "REJECTED")
        return saga
    store.by_slot = slow_by_slot
    try:
        one, two = await asyncio.gather(
            reason_of(people.book(tutor, lesson_time(), student, idempotency_key="k1")),
            reason_of(people.book(tutor, lesson_time(), student, idempotency_key="k2", timeout=3)),
        )
    finally:
        del store.by_slot
    rows = await people.world.sql("payment", "select k.key, s.state from idempotency_key k join saga s on s.id=k.saga_id where k.student_id=$1", student)
    print("ANSWERS", one, two, rows)
    before = 0
    calls = 0
    real_begin = store.begin
    async def counted(*a, **k):
        nonlocal calls
        calls += 1
        return await real_begin(*a, **k)
    store.begin = counted
    try:
        third = await people.book(tutor, lesson_time(), student, idempotency_key="k2", timeout=2)
    except Exception as e:
        third = repr(e)
    finally:
        del store.begin
    print("THIRD", third, "begins", calls)
    assert calls < 5


async def test_t3_event_for_a_parked_saga(people: People) -> None:
    await people.webhooks("drop")
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id)
    event = await people.event(booked.payment_intent_id, "payment_intent.succeeded")
    await people.world.sql("payment", """update saga set state='PARKED', wake_at=null, error='{"reason":"X"}', context = context || '{"parked_from":"BOOKING_SESSION"}' where id=$1""", UUID(booked.saga_id))
    assert await people.send_event(event) == 200


async def test_t4_reconcile_survives_one_intent_that_is_refused(people: People) -> None:
    await people.webhooks("drop")
    tutor = await people.tutor()
    lost = await people.book(tutor, lesson_time(hour=8))
    booked = await people.book(tutor, lesson_time(hour=12))
    await people.pay(booked.payment_intent_id)
    await people.world.sql("payment", "delete from payment where saga_id=$1", UUID(lost.saga_id))
    await people.world.sql("payment", "update saga set payment_intent_id='pi_nobody_knows' where id=$1", UUID(lost.saga_id))
    # order is by id: make the poison come first
    try:
        found = await people.operator.Reconcile(saga_pb2.ReconcileRequest(), timeout=20)
        print("FOUND", found)
        problem = None
    except Exception as e:
        problem = repr(e)
    finally:
        await people.world.sql("payment", "update saga set payment_intent_id=$2 where id=$1", UUID(lost.saga_id), lost.payment_intent_id)
    assert problem is None


async def test_t4b_reconcile_survives_a_refund_made_by_hand(people: People) -> None:
    await people.webhooks("drop")
    await people.fault("/v1/refunds", "error_before", times=3)
    booked = await people.book(await people.tutor(), lesson_time())
    await people.update_intent(booked.payment_intent_id, amount=100)
    await people.pay(booked.payment_intent_id)
    await people.send_event(await people.event(booked.payment_intent_id, "payment_intent.succeeded"))
    await people.until_backing_off(booked.saga_id)
    print("BOOKING while refund fails", (await people.booking(booked.booking_id)).status, await people.claims(booked.saga_id))
    await people.no_faults()
    r = await people._stripe("POST", "/v1/refunds", {"payment_intent": booked.payment_intent_id})
    print("HAND", r.status_code)
    await asyncio.sleep(3)
    saga = await people.saga(booked.saga_id)
    print("SAGA", saga.state, saga.error, saga.attempt, (await people.booking(booked.booking_id)).status, await people.claims(booked.saga_id))
    problem = None
    try:
        await people.operator.Reconcile(saga_pb2.ReconcileRequest(), timeout=20)
    except Exception as e:
        problem = repr(e)
    assert problem is None


async def test_t6_tutor_never_learns_student_busy(people: People) -> None:
    tutor, student = await people.tutor(), uuid4()
    await people.webhooks("paused")
    late = await people.book(tutor, lesson_time(), student)
    await people.pay(late.payment_intent_id)
    w = people.world
    await w.sql("payment", "update saga set wake_at = clock_timestamp() + interval '1 hour' where id=$1", UUID(late.saga_id))
    await w.sql("availability", "update claim set expires_at = clock_timestamp() - interval '1 hour' where saga_id=$1", UUID(late.saga_id))
    await people.book(await people.tutor(), lesson_time(minute=30), student)
    await people.webhooks("normal")
    await people.until_state(late.saga_id, "REFUNDED")
    person = w.token("tutor", subject=tutor)
    stub = people.stub(PaymentServiceStub, "payment", "bff", person)
    got = await stub.GetBookingTimeline(payment_pb2.GetBookingTimelineRequest(booking_id=late.booking_id), timeout=5)
    assert "STUDENT_BUSY" not in str(got), str(got)


async def test_t11_free_lesson_has_no_payment_id(people: People) -> None:
    booked = await people.book(await people.tutor(rate=0), lesson_time())
    assert booked.saga_state == "COMPLETED"
    assert (await people.booking(booked.booking_id)).payment_id == ""
