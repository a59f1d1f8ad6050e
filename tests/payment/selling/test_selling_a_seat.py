"""Scenario 46: a place in a course is sold once, to whoever asks however often; races for seats, keys and repeats."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from mesh.errors import Refusal
from tests.learners import ACTIVE, EXPIRED, active, enroll, enrolled, let_the_seat_lapse, status
from tests.people import People, lesson_time, wait_until
from tests.world import World
from tutormesh.payment.v1 import payment_pb2
from tutormesh.payment.v1.payment_pb2_grpc import PaymentServiceStub


async def test_46_a_paid_seat_is_active_and_its_payment_names_the_course(people: People) -> None:
    course = await people.course(seats=2)
    made = await enroll(people, course.id, student := uuid4())
    assert made.saga_state == "AWAITING_PAYMENT"
    assert made.client_secret.startswith(made.payment_intent_id)
    assert made.HasField("hold_expires_at")
    metadata = (await people.intent(made.payment_intent_id))["metadata"]
    assert metadata == {
        "paymentId": made.payment_id,
        "sagaId": made.saga_id,
        "paymentContext": "COURSE_ENROLLMENT",
        "contextId": course.id,
    }
    await people.pay(made.payment_intent_id)
    await people.until_state(made.saga_id, "COMPLETED")
    shown = await people.enrollment(made.enrollment_id)
    assert (shown.status, shown.student_id, shown.payment_id) == (ACTIVE, str(student), made.payment_id)
    payment = await people.payment(made.payment_id)
    assert (payment.status, payment.received_minor, payment.context) == (
        payment_pb2.PAYMENT_STATUS_SUCCEEDED,
        5000,
        payment_pb2.PAYMENT_CONTEXT_COURSE_ENROLLMENT,
    )
    assert (payment.context_id, payment.session_id, payment.booking_id) == (course.id, "", "")
    assert payment.enrollment_id == made.enrollment_id
    assert await people.seats_taken(course.id) == 1


async def test_46_a_free_seat_is_active_in_the_call_without_an_intent(people: People) -> None:
    course = await people.course(price=0)
    made = await enroll(people, course.id)
    assert (made.saga_state, made.payment_id, made.payment_intent_id, made.client_secret) == ("COMPLETED", "", "", "")
    assert (await people.enrollment(made.enrollment_id)).status == ACTIVE
    assert await people.intents_of(made.saga_id) == []


async def test_46_one_seat_and_twenty_students_make_one_enrollment_and_one_intent(people: People) -> None:
    course, before = await people.course(seats=1), len((await people.stripe_state())["payment_intents"])
    answers = await asyncio.gather(*(enroll(people, course.id, timeout=30) for _ in range(20)), return_exceptions=True)
    won = [answer for answer in answers if isinstance(answer, payment_pb2.EnrollInCourseResponse)]
    lost = [answer for answer in answers if not isinstance(answer, payment_pb2.EnrollInCourseResponse)]
    assert len(won) == 1
    assert {getattr(error, "reason", repr(error)) for error in lost} == {"COURSE_FULL"}
    assert len((await people.stripe_state())["payment_intents"]) == before + 1
    await people.pay(won[0].payment_intent_id)
    await people.until_state(won[0].saga_id, "COMPLETED")
    assert await people.seats_taken(course.id) == 1


async def test_46_what_cannot_be_sold_is_refused_by_its_reason_and_has_no_intent(people: People) -> None:
    full = await people.course(seats=1)
    await active(people, full)
    draft = await people.course(published=False)
    for course_id, reason in (
        (draft.id, "COURSE_NOT_PUBLISHED"),
        (str(uuid4()), "COURSE_NOT_FOUND"),
        (full.id, "COURSE_FULL"),
    ):
        student = uuid4()
        with pytest.raises(Refusal) as refused:
            await enroll(people, course_id, student)
        assert refused.value.reason == reason
        (row,) = await people.saga_row(student)
        assert row["state"] == "REJECTED"
        ids = await people.world.sql("payment", "select id::text from saga where student_id = $1", student)
        assert await people.intents_of(ids[0]["id"]) == []


async def test_46_a_student_has_one_seat_in_a_course(people: People) -> None:
    place = await active(people)
    with pytest.raises(Refusal) as refused:
        await enroll(people, place.course.id, place.student)
    assert refused.value.reason == "ALREADY_ENROLLED"


async def test_46_an_instructor_takes_no_seat_in_their_own_course(people: People) -> None:
    course = await people.course()
    with pytest.raises(Refusal) as refused:
        await enroll(people, course.id, UUID(course.instructor_id))
    assert (refused.value.reason, refused.value.field) == ("BAD_USER_INPUT", "student_id")


async def test_46_the_same_order_while_it_awaits_payment_is_the_same_enrollment(people: People) -> None:
    course, student = await people.course(), uuid4()
    answers = await asyncio.gather(*(enroll(people, course.id, student) for _ in range(10)))
    assert len({(answer.enrollment_id, answer.client_secret) for answer in answers}) == 1
    assert len(await people.intents_of(answers[0].saga_id)) == 1
    assert await people.seats_taken(course.id) == 1
    keyed = await enroll(people, course.id, student, idempotency_key="later")
    await people.pay(keyed.payment_intent_id)
    await people.until_state(keyed.saga_id, "COMPLETED")
    again = await enroll(people, course.id, student, idempotency_key="later")
    assert (again.enrollment_id, again.saga_state) == (answers[0].enrollment_id, "COMPLETED")
    assert again.client_secret == ""


async def test_46_a_key_means_one_order_whether_of_a_lesson_or_a_course(people: People) -> None:
    course, student = await people.course(), uuid4()
    first = await enroll(people, course.id, student, idempotency_key="k1")
    again = await enroll(people, course.id, student, idempotency_key="k1")
    assert (again.enrollment_id, again.client_secret) == (first.enrollment_id, first.client_secret)
    with pytest.raises(Refusal) as another_course:
        await enroll(people, (await people.course()).id, student, idempotency_key="k1")
    with pytest.raises(Refusal) as a_lesson:
        await people.book(await people.tutor(), lesson_time(), student, idempotency_key="k1")
    assert another_course.value.reason == a_lesson.value.reason == "IDEMPOTENCY_MISMATCH"


async def test_46_a_key_whose_first_use_was_refused_is_free_again(people: People) -> None:
    draft, course, student = await people.course(published=False), await people.course(), uuid4()
    with pytest.raises(Refusal) as refused:
        await enroll(people, draft.id, student, idempotency_key="k1")
    assert refused.value.reason == "COURSE_NOT_PUBLISHED"
    assert (await enroll(people, course.id, student, idempotency_key="k1")).saga_state == "AWAITING_PAYMENT"


async def test_46_abandoned_and_enrolled_again_gets_a_new_intent_after_the_old_is_cancelled(people: People) -> None:
    first = await enrolled(people)
    await let_the_seat_lapse(people, first)
    again = await enroll(people, first.course.id, first.student)
    assert again.enrollment_id != first.id
    assert (await people.intent(first.intent))["status"] == "canceled"
    assert await people.state(first.saga) == "EXPIRED"
    assert await status(people, first) == EXPIRED
    assert await people.seats_taken(first.course.id) == 1


async def test_46_an_amount_the_provider_never_takes_undoes_the_enrollment(people: People) -> None:
    place = await enrolled(people, course := await people.course(price=10, currency="LBP"))
    assert await people.state(place.saga) == "PAYMENT_FAILED"
    assert await people.seats_taken(course.id) == 0


@pytest.mark.parametrize(
    ("change", "field"), [({"course_id": "no"}, "course_id"), ({"idempotency_key": "k" * 256}, "idempotency_key")]
)
async def test_bad_input_names_its_field_and_stores_nothing(people: People, change: dict[str, str], field: str) -> None:
    student = uuid4()
    wish = {"course_id": str(uuid4()), **change}
    with pytest.raises(Refusal) as refused:
        await enroll(people, wish.pop("course_id"), student, **wish)
    assert (refused.value.reason, refused.value.field) == ("BAD_USER_INPUT", field)
    assert await people.saga_row(student) == []


async def test_nobody_enrolls_another(people: People) -> None:
    course = await people.course()
    with pytest.raises(Refusal) as refused:
        await enroll(people, course.id, uuid4(), student_id=str(uuid4()))
    assert (refused.value.reason, refused.value.field) == ("FORBIDDEN", "student_id")


async def test_47_only_its_people_see_a_courses_payment_and_timeline(people: People) -> None:
    place = await active(people)
    timeline = payment_pb2.GetBookingTimelineRequest(booking_id=place.id)
    payment = payment_pb2.GetPaymentRequest(payment_id=place.payment)
    for who in (place.student, place.instructor):
        stub = people.stub(PaymentServiceStub, "payment", "bff", people.world.token("student", subject=who))
        told = [entry.event for entry in (await stub.GetBookingTimeline(timeline, timeout=5)).entries]
        assert told == ["started", "payment_opened", "payment_succeeded", "completed"]
        assert (await stub.GetPayment(payment, timeout=5)).payment.id == place.payment
    stub = people.stub(PaymentServiceStub, "payment", "bff", people.world.token("student", subject=uuid4()))
    for ask in (stub.GetBookingTimeline(timeline, timeout=5), stub.GetPayment(payment, timeout=5)):
        with pytest.raises(Refusal) as refused:
            await ask
        assert refused.value.reason == "NOT_FOUND"


async def test_46_a_lost_webhook_is_found_by_reconcile(people: People, world: World) -> None:
    await people.webhooks("drop")
    place = await enrolled(people)
    await people.pay(place.intent)
    await world.replicas[0].app.reconcile.run_everything()
    await people.until_state(place.saga, "COMPLETED")
    await wait_until(lambda: status(people, place), lambda found: found == ACTIVE)
