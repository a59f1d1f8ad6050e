"""One wish, one booking: races for a slot, idempotency keys, repeats while a payment is awaited."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from mesh.errors import Refusal
from tests.learners import enroll
from tests.people import People, lesson_time
from tutormesh.booking.v1 import booking_pb2
from tutormesh.payment.v1 import payment_pb2


async def test_01_fifty_students_at_one_slot_make_one_hold_and_one_intent(people: People) -> None:
    tutor, before = await people.tutor(), len((await people.stripe_state())["payment_intents"])
    answers = await asyncio.gather(
        *(people.book(tutor, lesson_time(), timeout=30) for _ in range(50)), return_exceptions=True
    )
    won = [answer for answer in answers if isinstance(answer, payment_pb2.BookSessionResponse)]
    lost = [answer for answer in answers if not isinstance(answer, payment_pb2.BookSessionResponse)]
    assert len(won) == 1
    assert {getattr(error, "reason", repr(error)) for error in lost} == {"SLOT_TAKEN"}
    assert len((await people.stripe_state())["payment_intents"]) == before + 1


async def test_06_a_student_cannot_take_two_lessons_at_once(people: People) -> None:
    student = uuid4()
    await people.book(await people.tutor(), lesson_time(), student)
    with pytest.raises(Refusal) as refused:
        await people.book(await people.tutor(), lesson_time(minute=30), student)
    assert refused.value.reason == "STUDENT_BUSY"


async def test_07_the_same_key_gives_the_same_booking_and_another_order_is_refused(people: People) -> None:
    tutor, student = await people.tutor(), uuid4()
    first = await people.book(tutor, lesson_time(), student, idempotency_key="k1")
    again = await people.book(tutor, lesson_time(), student, idempotency_key="k1")
    assert (again.booking_id, again.client_secret) == (first.booking_id, first.client_secret)
    assert len(await people.intents_of(first.saga_id)) == 1
    with pytest.raises(Refusal) as refused:
        await people.book(tutor, lesson_time(hour=14), student, idempotency_key="k1")
    assert refused.value.reason == "IDEMPOTENCY_MISMATCH"


async def test_a_key_gives_the_booking_as_it_is_now_and_no_secret_once_it_has_ended(people: People) -> None:
    tutor, student = await people.tutor(), uuid4()
    booked = await people.book(tutor, lesson_time(), student, idempotency_key="k1")
    await people.pay(booked.payment_intent_id)
    await people.until_state(booked.saga_id, "COMPLETED")
    again = await people.book(tutor, lesson_time(), student, idempotency_key="k1")
    assert (again.booking_id, again.saga_state, again.client_secret) == (booked.booking_id, "COMPLETED", "")


async def test_a_key_whose_first_use_was_refused_is_free_again(people: People) -> None:
    tutor, student = await people.tutor(), uuid4()
    await people.book(tutor, lesson_time())
    with pytest.raises(Refusal) as refused:
        await people.book(tutor, lesson_time(), student, idempotency_key="k1")
    assert refused.value.reason == "SLOT_TAKEN"
    booked = await people.book(tutor, lesson_time(hour=15), student, idempotency_key="k1")
    assert booked.saga_state == "AWAITING_PAYMENT"


async def test_a_key_is_the_students_for_a_day_only(people: People) -> None:
    tutor, student = await people.tutor(), uuid4()
    await people.book(tutor, lesson_time(), student, idempotency_key="k1")
    await people.world.sql(
        "payment",
        "update idempotency_key set created_at = created_at - interval '25 hours' where student_id = $1",
        student,
    )
    booked = await people.book(tutor, lesson_time(hour=15), student, idempotency_key="k1")
    assert booked.saga_state == "AWAITING_PAYMENT"


async def test_two_uses_of_a_key_at_once_are_one_booking(people: People) -> None:
    tutor, student = await people.tutor(), uuid4()
    answers = await asyncio.gather(
        *(people.book(tutor, lesson_time(), student, idempotency_key="k1") for _ in range(10))
    )
    assert len({answer.booking_id for answer in answers}) == 1
    assert len({answer.client_secret for answer in answers}) == 1


async def test_two_students_may_use_the_same_key(people: People) -> None:
    tutor = await people.tutor()
    one = await people.book(tutor, lesson_time(), idempotency_key="k1")
    other = await people.book(tutor, lesson_time(hour=15), idempotency_key="k1")
    assert one.booking_id != other.booking_id


async def test_15_the_same_order_while_it_awaits_payment_is_the_same_booking(people: People) -> None:
    tutor, student = await people.tutor(), uuid4()
    first = await people.book(tutor, lesson_time(), student)
    again = await people.book(tutor, lesson_time(), student, purpose="other words")
    assert (again.booking_id, again.client_secret) == (first.booking_id, first.client_secret)
    keyed = await people.book(tutor, lesson_time(), student, idempotency_key="later")
    await people.pay(first.payment_intent_id)
    await people.until_state(first.saga_id, "COMPLETED")
    repeated = await people.book(tutor, lesson_time(), student, idempotency_key="later")
    assert keyed.booking_id == repeated.booking_id == first.booking_id


async def test_15_abandoned_and_booked_again_gets_a_new_intent_after_the_old_is_cancelled(people: People) -> None:
    tutor, student = await people.tutor(), uuid4()
    first = await people.book(tutor, lesson_time(), student)
    await people.let_the_hold_end(first.saga_id)
    again = await people.book(tutor, lesson_time(), student)
    assert again.booking_id != first.booking_id
    assert (await people.intent(first.payment_intent_id))["status"] == "canceled"
    assert await people.state(first.saga_id) == "EXPIRED"
    assert (await people.booking(again.booking_id)).status == booking_pb2.BOOKING_STATUS_PAYMENT_REQUIRED


async def test_another_length_at_the_same_time_is_taken_by_ones_own_hold(people: People) -> None:
    tutor, student = await people.tutor(), uuid4()
    await people.book(tutor, lesson_time(), student)
    with pytest.raises(Refusal) as refused:
        await people.book(tutor, lesson_time(), student, minutes=30)
    assert refused.value.reason == "SLOT_TAKEN"


async def test_a_student_has_at_most_three_unpaid_holds(people: People) -> None:
    student = uuid4()
    for hour in (8, 10, 12):
        await people.book(await people.tutor(), lesson_time(hour=hour), student)
    with pytest.raises(Refusal) as refused:
        await people.book(await people.tutor(), lesson_time(hour=14), student)
    assert refused.value.reason == "TOO_MANY_HOLDS"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"minutes": 0}, "duration_minutes"),
        ({"purpose": "x" * 1001}, "purpose"),
        ({"purpose": "\x00"}, "purpose"),
        ({"idempotency_key": "k" * 256}, "idempotency_key"),
        ({"course_id": "no"}, "course_id"),
    ],
)
async def test_bad_input_names_its_field_and_stores_nothing(
    people: People, change: dict[str, object], field: str
) -> None:
    student = uuid4()
    with pytest.raises(Refusal) as refused:
        await people.book(uuid4(), lesson_time(), student, **change)  # type: ignore[arg-type]
    assert (refused.value.reason, refused.value.field) == ("BAD_USER_INPUT", field)
    assert await people.world.sql("payment", "select 1 from saga where student_id = $1", student) == []


async def test_nobody_books_a_lesson_with_themselves_or_for_another(people: People) -> None:
    tutor = await people.tutor()
    with pytest.raises(Refusal) as refused:
        await people.book(tutor, lesson_time(), tutor)
    assert refused.value.reason == "BAD_USER_INPUT"


async def test_a_lesson_of_a_course_asks_whether_there_is_such_a_course(people: People) -> None:
    tutor, student, draft = await people.tutor(), uuid4(), await people.course(published=False)
    for course_id, reason in ((str(uuid4()), "COURSE_NOT_FOUND"), (draft.id, "COURSE_NOT_PUBLISHED")):
        with pytest.raises(Refusal) as refused:
            await people.book(tutor, lesson_time(), student, course_id=course_id)
        assert refused.value.reason == reason
    assert await people.saga_row(student) == []


async def test_a_lesson_of_a_full_course_is_booked_and_belongs_to_it(people: People) -> None:
    course, student = await people.course(seats=1), uuid4()
    await enroll(people, course.id)
    tutor = await people.tutor()
    booked = await people.book(tutor, lesson_time(), student, course_id=course.id)
    assert (await people.booking(booked.booking_id)).course_id == course.id
    again = await people.book(tutor, lesson_time(), student, course_id=course.id)
    assert again.booking_id == booked.booking_id
    with pytest.raises(Refusal) as refused:
        await people.book(tutor, lesson_time(), student)
    assert refused.value.reason == "SLOT_TAKEN"  # another wish finds the time taken by the student's own hold


async def test_a_tutor_nobody_knows_is_refused_and_leaves_a_rejected_saga(people: People) -> None:
    student = uuid4()
    with pytest.raises(Refusal) as refused:
        await people.book(uuid4(), lesson_time(), student)
    assert refused.value.reason == "TUTOR_NOT_FOUND"
    rows = await people.world.sql("payment", "select state, is_complete from saga where student_id = $1", student)
    assert [(row["state"], row["is_complete"]) for row in rows] == [("REJECTED", True)]
