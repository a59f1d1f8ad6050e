"""What people are told on the worst days: the same answer twice, the true refund, and nothing of another's calendar."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from mesh.errors import Refusal
from tests.payment.faults import ALWAYS, Meanwhile, each, opening_of
from tests.people import Booked, People, lesson_time, wait_until
from tests.world import FailAt, StallAt, World
from tutormesh.booking.v1 import booking_pb2
from tutormesh.payment.v1 import payment_pb2
from tutormesh.payment.v1.payment_pb2_grpc import PaymentServiceStub


@pytest.mark.parametrize(
    ("hour", "minutes", "purpose"),
    [(10, 30, "reading"), (10, 60, "grammar"), (14, 60, "reading")],
    ids=["length", "purpose", "slot"],
)
async def test_a_key_does_not_fit_another_request_while_its_slots_saga_is_open(
    people: People, hour: int, minutes: int, purpose: str
) -> None:
    tutor, student = await people.tutor(), uuid4()
    ten = lesson_time(hour=10)
    await people.book(tutor, ten, student, purpose="reading", idempotency_key="used")
    await people.book(tutor, ten.replace(hour=14), student, purpose="reading", idempotency_key="another")
    with pytest.raises(Refusal) as refused:
        await people.book(
            tutor, ten.replace(hour=hour), student, minutes=minutes, purpose=purpose, idempotency_key="used"
        )
    assert refused.value.reason == "IDEMPOTENCY_MISMATCH"
    assert len(await people.saga_row(student)) == 2


@pytest.mark.usefixtures("no_replica")
async def test_a_key_left_on_a_rejected_saga_is_free(people: People, world: World) -> None:
    """A request under another key finds the open saga, and writes its key down just after that saga was rejected."""
    stall, meanwhile = StallAt("before HoldSlot"), Meanwhile("before remember")
    undisturbed = await world.start_replica()
    tutor, student = await people.tutor(), uuid4()
    taken = await people.booked(tutor, lesson_time())
    await world.stop_replica(undisturbed)
    await world.start_replica(each(stall, meanwhile))
    first = asyncio.ensure_future(people.book(tutor, lesson_time(), student, idempotency_key="first"))
    await asyncio.wait_for(stall.reached.wait(), 10)
    rejected = await opening_of(people, student)

    async def the_first_is_rejected() -> None:
        stall.go.set()
        await people.until_state(rejected, "REJECTED")

    meanwhile.act = the_first_is_rejected
    second = asyncio.ensure_future(people.book(tutor, lesson_time(), student, idempotency_key="second"))
    for answer in await asyncio.gather(first, second, return_exceptions=True):
        assert isinstance(answer, Refusal)
        assert answer.reason == "SLOT_TAKEN"
    assert meanwhile.act is None
    assert await world.sql("payment", "select key from idempotency_key where student_id = $1", student) == []
    await people.cancel(taken)
    again = await people.book(tutor, lesson_time(), student, idempotency_key="second")
    assert again.saga_state == "AWAITING_PAYMENT"


@pytest.mark.usefixtures("no_replica")
async def test_what_turned_back_before_it_was_booked_is_never_answered(people: People, world: World) -> None:
    """Its hold ended while nobody drove it, and its undoing has to wait: there is no booking to show."""
    tutor, student = await people.tutor(), uuid4()
    stall = StallAt("before CreateBooking")
    doomed = await world.start_replica(stall)
    first = asyncio.ensure_future(people.book(tutor, lesson_time(), student, idempotency_key="k"))
    await asyncio.wait_for(stall.reached.wait(), 10)
    await world.kill_replica(doomed)
    first.cancel()  # its client goes with it: nobody asks again
    await asyncio.gather(first, return_exceptions=True)
    opening = await opening_of(people, student)
    await people.let_the_hold_end(opening)
    hindered = await world.start_replica(FailAt("before EndBooking", times=ALWAYS))
    await people.until_state(opening, "COMPENSATING")
    with pytest.raises(Refusal) as refused:
        await people.book(tutor, lesson_time(), student, idempotency_key="k")
    assert refused.value.reason == "TRY_AGAIN"
    assert await people.state(opening) == "COMPENSATING"
    await world.start_replica()
    await world.stop_replica(hindered)
    await people.until_state(opening, "EXPIRED")
    again = await people.book(tutor, lesson_time(), student, idempotency_key="k")
    assert again.saga_id != opening
    assert (await people.booking(again.booking_id)).status == booking_pb2.BOOKING_STATUS_PAYMENT_REQUIRED


async def test_old_idempotency_keys_are_forgotten(people: People, world: World) -> None:
    student = uuid4()
    for days, (key, hours) in enumerate((("fresh", 0), ("yesterdays", 24), ("old", 26)), start=3):
        await people.book(await people.tutor(), lesson_time(days), student, idempotency_key=key)
        age = """update idempotency_key set created_at = created_at - make_interval(hours => $3)
                 where student_id = $1 and key = $2"""
        await world.sql("payment", age, student, key, hours)
    replica = await world.start_replica()  # tidies when it starts, then now and again
    ask = "select key from idempotency_key where student_id = $1 order by key"
    await wait_until(lambda: world.sql("payment", ask, student), lambda rows: len(rows) < 3)
    await world.stop_replica(replica)
    assert [row["key"] for row in await world.sql("payment", ask, student)] == ["fresh", "yesterdays"]


async def test_a_tutor_never_reads_in_the_timeline_that_the_student_is_busy(people: People, world: World) -> None:
    tutor, student = await people.tutor(), uuid4()
    await people.webhooks("paused")
    late = await people.book(tutor, lesson_time(), student)
    await people.pay(late.payment_intent_id)
    asleep = "update saga set wake_at = clock_timestamp() + interval '1 hour' where id = $1"
    await world.sql("payment", asleep, UUID(late.saga_id))
    lapsed = "update claim set expires_at = clock_timestamp() - interval '1 hour' where saga_id = $1"
    await world.sql("availability", lapsed, UUID(late.saga_id))
    await people.book(await people.tutor(), lesson_time(minute=30), student)
    await people.webhooks("normal")
    await people.until_state(late.saga_id, "REFUNDED")
    why = "select detail from saga_event where saga_id = $1 and event = 'undo_slot_lost'"
    assert [row["detail"] for row in await world.sql("payment", why, UUID(late.saga_id))] == ["STUDENT_BUSY"]
    stub = people.stub(PaymentServiceStub, "payment", "bff", world.token("tutor", subject=tutor))
    request = payment_pb2.GetBookingTimelineRequest(booking_id=late.booking_id)
    timeline = await stub.GetBookingTimeline(request, timeout=5)
    assert "undo_slot_lost" in [entry.event for entry in timeline.entries]
    assert "STUDENT_BUSY" not in str(timeline)


async def test_a_cancel_that_met_a_payment_answers_the_true_refund_and_again_while_it_is_pending(
    people: People,
) -> None:
    await people.webhooks("drop")
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.pay(booked.intent)
    await people.fault("/v1/refunds", "refund_pending", times=ALWAYS)
    first = await people.cancel(booked)
    assert first.refund.amount_minor == 5000
    assert await people.state(booked.saga) == "COMPENSATING"
    assert await people.cancel(booked) == first
    await _settle_refunds(people, booked)
    await people.until_state(booked.saga, "REFUNDED")
    assert await people.cancel(booked) == first
    assert [refund["amount"] for refund in await people.refunds_of(booked.intent)] == [5000]


async def _settle_refunds(people: People, booked: Booked) -> None:
    await people.webhooks("normal")
    for refund in await people.refunds_of(booked.intent):
        await people.settle_refund(refund["id"], "succeeded")


async def test_a_free_lessons_booking_names_no_payment(people: People) -> None:
    booked = await people.booked(await people.tutor(rate=0), lesson_time())
    await people.until_state(booked.saga, "COMPLETED")
    assert (await people.booking(booked.booking)).payment_id == ""
