from __future__ import annotations
import asyncio, json
from uuid import UUID, uuid4
import pytest
from mesh.errors import Refusal
from tests.people import People, lesson_time, until
from tests.world import StallAt, World
from tutormesh.payment.v1 import payment_pb2, saga_pb2
from tutormesh.payment.v1.payment_pb2_grpc import PaymentServiceStub


async def test_t13_answer_while_refund_pending(people: People, world: World) -> None:
    await people.webhooks("drop")
    student = uuid4()
    booked = await people.book(await people.tutor(), lesson_time(), student)
    await people.pay(booked.payment_intent_id)
    await people.fault("/v1/refunds", "refund_pending", times=10)
    person = world.token("student", subject=student)
    stub = people.stub(PaymentServiceStub, "payment", "bff", person)
    first = await stub.CancelBooking(payment_pb2.CancelBookingRequest(booking_id=booked.booking_id), timeout=8)
    print("FIRST", first.refund.amount_minor, [r["amount"] for r in await people.refunds_of(booked.payment_intent_id)])
    assert first.refund.amount_minor == 5000


async def test_t15_hand_refund_beside_pending(people: People, world: World) -> None:
    student = uuid4()
    booked = await people.book(await people.tutor(), lesson_time(), student)
    await people.pay(booked.payment_intent_id)
    await people.until_state(booked.saga_id, "COMPLETED")
    await people.fault("/v1/refunds", "error_before", times=1)
    person = world.token("student", subject=student)
    stub = people.stub(PaymentServiceStub, "payment", "bff", person)
    try:
        first = await stub.CancelBooking(payment_pb2.CancelBookingRequest(booking_id=booked.booking_id), timeout=8)
        print("FIRST", first.refund.amount_minor)
    except Refusal as e:
        print("FIRST", e.reason, "BOOKING", (await people.booking(booked.booking_id)).status)
    r = await people._stripe("POST", "/v1/refunds", {"payment_intent": booked.payment_intent_id})
    print("HAND", r.status_code)
    await asyncio.sleep(4)
    p = await people.payment(booked.payment_id)
    rows = await world.sql("payment", "select kind, state, attempt, error from saga where booking_id=$1 order by created_at", UUID(booked.booking_id))
    print("ROWS", [tuple(x) for x in rows])
    print("REFUNDED", p.refunded.amount_minor, p.received_minor)
    assert p.refunded.amount_minor <= p.received_minor


async def test_t16_explain(people: People, world: World) -> None:
    booked = await people.book(await people.tutor(), lesson_time())
    await world.sql("payment", """insert into saga (id, kind, version, state, is_complete, request_hash, context, student_id, tutor_id, time_slot, minutes, booking_id, session_id, payment_id, payment_intent_id, created_at)
       select gen_random_uuid(), kind, 1, 'COMPLETED', true, request_hash, context, gen_random_uuid(), tutor_id, time_slot, minutes, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'pi_'||n, clock_timestamp() - n * interval '1 second'
       from saga, generate_series(1, 200000) n where id=$1""", UUID(booked.saga_id))
    await world.sql("payment", "analyze saga")
    for name, q in {
        "waiting": "select * from saga where state='AWAITING_PAYMENT' and state_since <= clock_timestamp() - make_interval(secs => 0) order by id limit 100",
        "parked": "select * from saga where state='PARKED' and (not true or not is_complete) order by created_at desc, id desc limit 51",
        "due": "select id, fence, version, kind from saga where wake_at <= clock_timestamp() order by wake_at limit 50",
        "find": "select * from saga where payment_intent_id = 'pi_x' or id = gen_random_uuid() order by (payment_intent_id = 'pi_x') desc nulls last limit 1",
        "cancel": "select * from saga where booking_id = gen_random_uuid() and kind='CancelBookingSaga' and state <> 'REJECTED'",
    }.items():
        plan = await world.sql("payment", "explain (analyze, costs off) " + q)
        print("PLAN", name, " | ".join(r[0].strip() for r in plan))
    await world.sql("payment", "delete from saga where payment_intent_id like 'pi\\_%' and state='COMPLETED' and id not in (select saga_id from saga_event)")


async def test_t17_signal_lost_wake(people: People, world: World) -> None:
    """parked, then resolved while its intent's refund..."""
    names = {"other": 1}
    student, tutor = uuid4(), await people.tutor()
    booked = await people.book(tutor, lesson_time(), student)
    outs = {}
    for who, subj, role in (("stranger", uuid4(), "student"), ("tutor", tutor, "tutor")):
        stub = people.stub(PaymentServiceStub, "payment", "bff", world.token(role, subject=subj))
        for rpc, req in (
            ("GetPayment", payment_pb2.GetPaymentRequest(payment_id=booked.payment_id)),
            ("GetBookingTimeline", payment_pb2.GetBookingTimelineRequest(booking_id=booked.booking_id)),
            ("QuoteCancellation", payment_pb2.QuoteCancellationRequest(booking_id=booked.booking_id)),
            ("CancelBooking", payment_pb2.CancelBookingRequest(booking_id=str(uuid4()))),
            ("CreatePaymentIntent", payment_pb2.CreatePaymentIntentRequest(booking_id=booked.booking_id, amount={"amount_minor": 5000, "currency": "USD"})),
        ):
            try:
                got = await getattr(stub, rpc)(req, timeout=5)
                outs[who, rpc] = "OK"
            except Exception as e:
                outs[who, rpc] = repr(e)
    print("ID", outs)
    # a person's token directly, no service
    from mesh.channels import connect
    import grpc
    async with grpc.aio.insecure_channel(f"127.0.0.1:{world.ports['payment']}") as ch:
        for md in ((("authorization", "Bearer " + world.token("student", subject=student)),), (("authorization", "Bearer " + world.token("admin", subject=student)),), ()):
            try:
                await PaymentServiceStub(ch).GetPayment(payment_pb2.GetPaymentRequest(payment_id=booked.payment_id), timeout=5, metadata=md)
                print("DIRECT OK!!")
            except grpc.aio.AioRpcError as e:
                print("DIRECT", e.code(), e.details())
