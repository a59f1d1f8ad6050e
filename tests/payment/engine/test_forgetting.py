"""Rows that a person can make in payment_svc: refused sales are forgotten, keys are counted, refused cancels leave one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from mesh.errors import Refusal
from payment_svc.settings import Settings
from tests.people import Booked, People, lesson_time
from tests.world import World
from tutormesh.payment.v1 import payment_pb2
from tutormesh.payment.v1.payment_pb2_grpc import PaymentServiceStub

HOUR, DAY = 3600, 24 * 3600


async def refused_lesson(people: People, key: str = "") -> UUID:
    """The saga of a lesson that was refused: its time is another student's."""
    tutor, student = await people.tutor(), uuid4()
    await people.book(tutor, lesson_time())
    with pytest.raises(Refusal):
        await people.book(tutor, lesson_time(), student, idempotency_key=key)
    return await only_saga_of(people, student)


async def refused_seat(people: People) -> UUID:
    """The saga of a seat that was refused: there is no such course."""
    student = uuid4()
    with pytest.raises(Refusal):
        await enroll(people, student, str(uuid4()))
    return await only_saga_of(people, student)


async def enroll(people: People, student: UUID, course: str) -> payment_pb2.EnrollInCourseResponse:
    stub = people.stub(PaymentServiceStub, "payment", "bff", people.world.token("student", subject=student))
    request = payment_pb2.EnrollInCourseRequest(student_id=str(student), course_id=course)
    return await stub.EnrollInCourse(request, timeout=8)


async def only_saga_of(people: People, student: UUID) -> UUID:
    (row,) = await people.world.sql("payment", "select id from saga where student_id = $1", student)
    return UUID(str(row["id"]))


async def let_pass(people: People, saga_id: UUID, seconds: float) -> None:
    """The saga ended this many seconds ago."""
    ago = "update saga set updated_at = clock_timestamp() - make_interval(secs => $2) where id = $1"
    await people.world.sql("payment", ago, saga_id, float(seconds))


async def forget(world: World) -> None:
    """What the loop does, until nothing is left to do."""
    for _ in range(100):
        if not await world.replicas[0].app.forgetting.forget_refused():
            return
    raise AssertionError("there is no end")


async def rows_of(people: People, saga_id: UUID) -> dict[str, int]:
    """How many rows of each table belong to a saga."""
    tables = {"saga": "id", "saga_event": "saga_id", "idempotency_key": "saga_id"}
    counts = {}
    for table, column in tables.items():
        (row,) = await people.world.sql("payment", f"select count(*) from {table} where {column} = $1", saga_id)
        counts[table] = row["count"]
    return counts


@pytest.mark.parametrize("refused", [refused_lesson, refused_seat])
async def test_60_a_refused_sale_is_forgotten_after_a_day_with_its_events_and_keys(
    people: People, refused: Callable[[People], Awaitable[UUID]]
) -> None:
    saga_id = await refused(people)
    assert await rows_of(people, saga_id) == {"saga": 1, "saga_event": 2, "idempotency_key": 0}
    # A key that another request let name the saga while it was open.
    key = """insert into idempotency_key (student_id, key, saga_id, request_hash)
             select student_id, 'k', id, '' from saga where id = $1"""
    await people.world.sql("payment", key, saga_id)
    await let_pass(people, saga_id, DAY - 60)
    await forget(people.world)
    assert (await rows_of(people, saga_id))["saga"] == 1
    await let_pass(people, saga_id, DAY + 60)
    await forget(people.world)
    assert await rows_of(people, saga_id) == {"saga": 0, "saga_event": 0, "idempotency_key": 0}


async def test_60_the_message_of_a_refused_sale_goes_with_it_once_it_was_delivered(people: People) -> None:
    saga_id = await refused_lesson(people)
    await people.world.sql("payment", BOUND["a message on its way"], saga_id)
    await let_pass(people, saga_id, DAY + 60)
    await forget(people.world)
    assert (await rows_of(people, saga_id))["saga"] == 1
    delivered = """update notification set status = 'DELIVERED', wake_at = null, settled_at = clock_timestamp()
                   where subject_id = (select booking_id from saga where id = $1) returning subject_id"""
    ((subject,),) = await people.world.sql("payment", delivered, saga_id)
    await forget(people.world)
    assert (await rows_of(people, saga_id))["saga"] == 0
    assert await people.world.sql("payment", "select id from notification where subject_id = $1", subject) == []


async def test_60_a_thousand_refusals_are_forgotten_in_batches_and_others_stay(people: People) -> None:
    sample, fresh = await refused_lesson(people), await refused_lesson(people)
    await let_pass(people, sample, DAY + HOUR)
    copies = """
        with copied as (
            insert into saga (id, kind, version, state, request_hash, context, is_complete, student_id, tutor_id, time_slot,
                              minutes, booking_id, session_id, payment_id, updated_at, error)
            select gen_random_uuid(), kind, version, state, request_hash, context, is_complete, gen_random_uuid(), tutor_id,
                   time_slot, minutes, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), updated_at, error
            from saga, generate_series(1, 1200) where id = $1 returning id
        )
        insert into saga_event (saga_id, state, event) select id, 'REJECTED', 'rejected' from copied
    """
    await people.world.sql("payment", copies, sample)
    await forget(people.world)
    (row,) = await people.world.sql(
        "payment", "select count(*) from saga where state = 'REJECTED' and updated_at < now() - interval '1 day'"
    )
    assert row["count"] == 0
    assert (await rows_of(people, fresh))["saga"] == 1


BOUND = {
    "a payment": """
        insert into payment (id, saga_id, booking_id, session_id, student_id, tutor_id, amount_minor, currency, status,
                             context, context_id, payment_intent_id)
        select payment_id, id, booking_id, session_id, student_id, tutor_id, 5000, 'USD', 'CANCELLED', 'SESSION_BOOKING',
               session_id, 'pi_of_' || id from saga where id = $1""",
    "an intent": "update saga set payment_intent_id = 'pi_of_' || id where id = $1",
    "a refund": """
        insert into refund (id, payment_id, saga_id, payment_intent_id, amount_minor, currency, status, reason)
        select gen_random_uuid(), payment_id, id, 'pi_of_' || id, 5000, 'USD', 'FAILED', 'withdrawn'
        from saga where id = $1""",
    "a payment of a provider that calls back": """
        insert into callback_payment (id, saga_id, payment_id, amount_minor, currency, status)
        select 'cb_' || id, id, payment_id, 5000, 'USD', 'canceled' from saga where id = $1""",
    "an event of the provider": """
        insert into stripe_event (id, type, saga_id, payment_intent_id, status, processed_at)
        select 'evt_' || id, 'payment_intent.canceled', id, 'pi_of_' || id, 'DONE', now() from saga where id = $1""",
    "a message on its way": """
        insert into notification (id, channel, audience, type, subject_id, data)
        select gen_random_uuid(), 'none', 'student', 'x', booking_id, '{}' from saga where id = $1""",
    "a cancel": """
        insert into saga (id, kind, version, state, request_hash, context, is_complete, student_id, tutor_id, time_slot,
                          minutes, booking_id, session_id, payment_id)
        select gen_random_uuid(), 'CancelBookingSaga', 1, 'REJECTED', request_hash,
               '{"purchase_id": "00000000-0000-4000-8000-000000000000", "price": {"amount_minor": 5000, "currency": "USD"},
                 "cancel": {"by": "student", "percent": 0, "rule": "", "refund_minor": 0}}', true, student_id, tutor_id,
               time_slot, minutes, booking_id, session_id, payment_id from saga where id = $1""",
}
UNBIND = """
    with of as (select id, booking_id from saga where id = $1),
        a as (delete from payment where saga_id = $1), b as (delete from refund where saga_id = $1),
        c as (delete from callback_payment where saga_id = $1), d as (delete from stripe_event where saga_id = $1),
        e as (delete from notification where subject_id = (select booking_id from of)),
        f as (delete from saga where booking_id = (select booking_id from of) and id <> $1)
    update saga set payment_intent_id = null where id = $1
"""


@pytest.mark.parametrize("bound", BOUND)
async def test_60_a_refused_sale_that_something_points_at_is_never_forgotten(people: People, bound: str) -> None:
    saga_id = await refused_lesson(people)
    await people.world.sql("payment", BOUND[bound], saga_id)
    await let_pass(people, saga_id, 365 * DAY)
    await forget(people.world)
    assert (await rows_of(people, saga_id))["saga"] == 1
    await people.world.sql("payment", UNBIND, saga_id)
    await let_pass(people, saga_id, 365 * DAY)
    await forget(people.world)
    assert (await rows_of(people, saga_id))["saga"] == 0


async def test_60_no_other_end_is_forgotten_however_old(people: People) -> None:
    student, tutor = uuid4(), await people.tutor(0)
    booked = await people.book(tutor, lesson_time(), student)
    ended = await people.book(await people.tutor(), lesson_time(), student=uuid4())
    await people.let_the_hold_end(ended.saga_id)
    await people.until_state(ended.saga_id, "EXPIRED")
    for saga_id in (booked.saga_id, ended.saga_id):
        await let_pass(people, UUID(saga_id), 365 * DAY)
    await forget(people.world)
    assert [await people.state(saga_id) for saga_id in (booked.saga_id, ended.saga_id)] == ["COMPLETED", "EXPIRED"]


async def test_60_two_replicas_forget_at_once_and_nobody_waits(people: People) -> None:
    sagas = [await refused_lesson(people) for _ in range(3)]
    for saga_id in sagas:
        await let_pass(people, saga_id, DAY + HOUR)
    second = await people.world.start_replica()
    await asyncio.gather(
        *(replica.app.forgetting.forget_refused() for replica in people.world.replicas for _ in range(4))
    )
    assert [(await rows_of(people, saga_id))["saga"] for saga_id in sagas] == [0, 0, 0]
    await people.world.stop_replica(second)


async def test_60_the_delete_reads_no_whole_table(people: People) -> None:
    """Also a foreign key into saga that has no index would read a table for each deleted row."""
    pointing = """
        select c.conrelid::regclass::text as table_name, a.attname as column_name from pg_constraint c
        join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
        where c.contype = 'f' and c.confrelid = 'saga'::regclass
          and not exists (select 1 from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1]
                          and i.indpred is null)
    """
    assert await people.world.sql("payment", pointing) == []


@pytest.mark.parametrize("hours", [1, 24, 24 * 365])
def test_the_hours_are_a_setting(hours: float, world: World) -> None:
    assert world.payment_settings(forget_refused_hours=hours).forget_refused_hours == hours


def test_less_than_an_hour_is_refused_because_somebody_may_still_ask(world: World) -> None:
    with pytest.raises(ValueError, match="forget_refused_hours"):
        world.payment_settings(forget_refused_hours=0.5)
    assert Settings.model_fields["forget_refused_hours"].default == 24


# Keys.


async def give_keys(people: People, booked: Booked, count: int) -> None:
    """The student has used so many more keys for their booking, in the last 24 hours."""
    insert = """
        insert into idempotency_key (student_id, key, saga_id, request_hash)
        select $1, 'old ' || n, $2, '' from generate_series(1, $3) n
    """
    await people.world.sql("payment", insert, booked.student, UUID(booked.saga), count)


async def keys_of(people: People, student: UUID) -> int:
    (row,) = await people.world.sql("payment", "select count(*) from idempotency_key where student_id = $1", student)
    return int(row["count"])


async def test_60_a_student_has_at_most_a_thousand_keys(people: People) -> None:
    start = lesson_time()
    booked = await people.booked(await people.tutor(), start, idempotency_key="first")
    await give_keys(people, booked, 998)

    async def again(key: str, **more: Any) -> Any:
        return await people.book(booked.tutor, start, booked.student, idempotency_key=key, **more)

    assert (await again("the thousandth")).booking_id == booked.booking
    for _ in range(2):
        with pytest.raises(Refusal) as refused:
            await again("one beyond")
        assert (refused.value.reason, refused.value.field) == ("TOO_MANY_HOLDS", "")
    with pytest.raises(Refusal) as refused:  # also of a new booking
        await people.book(await people.tutor(), start, booked.student, idempotency_key="beyond, elsewhere")
    assert refused.value.reason == "TOO_MANY_HOLDS"
    assert await keys_of(people, booked.student) == 1000
    assert (await again("first")).booking_id == booked.booking  # the keys that exist keep their meaning
    assert (await again("")).booking_id == booked.booking
    other = await people.booked(await people.tutor(), start, idempotency_key="one beyond")
    assert await keys_of(people, other.student) == 1


async def test_60_keys_are_counted_under_a_lock(people: People) -> None:
    start = lesson_time()
    booked = await people.booked(await people.tutor(), start)
    await give_keys(people, booked, 990)
    asked = (people.book(booked.tutor, start, booked.student, idempotency_key=f"k{n}") for n in range(30))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Refusal)]
    assert {error.reason for error in refused} == {"TOO_MANY_HOLDS"} and len(refused) == 20
    assert await keys_of(people, booked.student) == 1000


async def test_60_keys_of_yesterday_count_no_more(people: People) -> None:
    start = lesson_time()
    booked = await people.booked(await people.tutor(), start)
    await give_keys(people, booked, 1000)
    await people.world.sql(
        "payment",
        "update idempotency_key set created_at = created_at - interval '26 hours' where student_id = $1",
        booked.student,
    )
    for _ in range(10):
        if not await people.world.replicas[0].app.forgetting.forget_keys():
            break
    made = await people.book(booked.tutor, start, booked.student, idempotency_key="today's")
    assert made.booking_id == booked.booking


# Cancels that are refused.


async def test_60_a_cancel_that_is_refused_again_and_again_leaves_one_row(people: People) -> None:
    """The lesson took place: its tutor may not cancel it any more, however often they try."""
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "COMPLETED")
    await people.world.sql(
        "session",
        """update session set scheduled_at = scheduled_at - interval '30 days', status = 'COMPLETED',
                  completed_at = scheduled_at - interval '29 days' where id = $1""",
        UUID(booked.session),
    )
    for _ in range(4):
        with pytest.raises(Refusal) as refused:
            await people.cancel(booked, booked.tutor, "tutor")
        assert refused.value.reason == "NOT_CANCELLABLE"
    ask = "select state from saga where booking_id = $1 and role = 'CANCEL'"
    rows = await people.world.sql("payment", ask, UUID(booked.booking))
    assert [row["state"] for row in rows] == ["REJECTED"]
    assert [row["status"] for row in await people.refund_rows(booked)] == ["FAILED"]
