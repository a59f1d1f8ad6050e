"""Scenario 46 for cancels: before paying, after paying, racing both; the policy counts from the payment."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from mesh.errors import Refusal
from tests.learners import (
    ACTIVE,
    CANCELLED,
    Enrolled,
    active,
    enroll,
    enrolled,
    leave,
    let_the_seat_lapse,
    let_time_pass_since_it_was_paid,
    refunded,
    status,
)
from tests.people import Booked, People, lesson_time, wait_until
from tests.world import World
from tutormesh.payment.v1 import payment_pb2

pytestmark = pytest.mark.usefixtures("short_pauses")


async def assert_taken_back(people: People, place: Enrolled, back: int) -> None:
    assert await status(people, place) == CANCELLED
    assert sum(await refunded(people, place)) == back
    assert await people.seats_taken(place.course.id) == 0


async def test_46_cancelling_before_paying_frees_the_seat_and_closes_the_intent(people: People) -> None:
    place = await enrolled(people)
    assert (await leave(people, place)).refund.amount_minor == 0
    assert await people.state(place.saga) == "CANCELLED"
    assert (await people.intent(place.intent))["status"] == "canceled"
    await assert_taken_back(people, place, 0)


async def test_46_a_payment_that_beats_the_cancel_comes_back_once(people: People) -> None:
    await people.webhooks("drop")
    place = await enrolled(people)
    await people.pay(place.intent)
    await leave(people, place)
    await people.until_state(place.saga, "REFUNDED")
    await assert_taken_back(people, place, 5000)
    assert (await people.payment(place.payment)).status == payment_pb2.PAYMENT_STATUS_REFUNDED


async def test_46_a_payment_racing_a_cancel_has_one_outcome(people: People) -> None:
    for _ in range(4):
        place = await enrolled(people)
        paid, _ = await asyncio.gather(people.pay(place.intent), leave(people, place))
        await wait_until(lambda p=place: status(people, p), lambda found: found == CANCELLED)
        await people.at_rest()
        await assert_taken_back(people, place, 5000 if paid.status_code == 200 else 0)


@pytest.mark.parametrize(("hours", "percent"), [(0, 100), (335, 100), (337, 0)])
async def test_46_the_policy_counts_the_hours_since_it_was_paid(people: People, hours: int, percent: int) -> None:
    place = await active(people)
    await let_time_pass_since_it_was_paid(people, place, hours)
    answer = await leave(people, place)
    assert (answer.refund.amount_minor, answer.refund.currency) == (50 * percent, "USD")
    await people.until_state(answer.saga_id, "REFUNDED" if percent else "CANCELLED")
    await assert_taken_back(people, place, 50 * percent)


@pytest.mark.parametrize("role", ["tutor", "admin"])
async def test_46_the_instructor_or_the_platform_gives_everything_back(people: People, role: str) -> None:
    place = await active(people)
    await let_time_pass_since_it_was_paid(people, place, 1000)
    answer = await leave(people, place, who=place.instructor if role == "tutor" else uuid4(), role=role)
    assert answer.refund.amount_minor == 5000
    await people.until_state(answer.saga_id, "REFUNDED")
    await assert_taken_back(people, place, 5000)


async def test_46_the_policy_of_the_purchase_holds_when_the_setting_changes(people: People, world: World) -> None:
    place = await active(people)
    for replica in list(world.replicas):
        await world.stop_replica(replica)
    await world.start_replica(enrollment_policy="1000h:10")
    assert (await leave(people, place)).refund.amount_minor == 5000
    assert (await leave(people, await active(people))).refund.amount_minor == 500
    for replica in list(world.replicas):
        await world.stop_replica(replica)
    await world.start_replica()


async def test_46_student_instructor_and_admin_at_once_make_one_refund(people: People) -> None:
    place = await active(people)
    await let_time_pass_since_it_was_paid(people, place, 400)
    answers = await asyncio.gather(
        leave(people, place),
        leave(people, place, who=place.instructor, role="tutor"),
        leave(people, place, who=uuid4(), role="admin"),
        leave(people, place),
    )
    assert len({(answer.saga_id, answer.refund.amount_minor) for answer in answers}) == 1
    await people.at_rest()
    await assert_taken_back(people, place, answers[0].refund.amount_minor)


async def test_46_cancelling_again_gives_the_first_answer_and_the_seat_is_free(people: People) -> None:
    place = await active(people, course := await people.course(seats=1))
    first = await leave(people, place)
    assert await leave(people, place, who=place.instructor, role="tutor") == first
    assert await refunded(people, place) == [5000]
    assert (await enroll(people, course.id)).saga_state == "AWAITING_PAYMENT"
    assert (await enroll(people, (await people.course()).id, place.student)).saga_state == "AWAITING_PAYMENT"


async def test_46_who_left_may_come_back(people: People) -> None:
    place = await active(people)
    await leave(people, place)
    again = await enroll(people, place.course.id, place.student)
    assert again.enrollment_id != place.id
    await people.pay(again.payment_intent_id)
    await people.until_state(again.saga_id, "COMPLETED")
    assert await people.seats_taken(place.course.id) == 1


async def test_46_a_refund_that_stays_pending_is_answered_and_finished_later(people: People) -> None:
    place = await active(people)
    await people.fault("/v1/refunds", "refund_pending")
    answer = await leave(people, place)
    assert await status(people, place) == CANCELLED
    assert await people.state(answer.saga_id) == "COMPENSATING"
    await people.settle_refund((await people.refunds_of(place.intent))[0]["id"], "succeeded")
    await people.until_state(answer.saga_id, "REFUNDED")


async def test_46_a_free_seat_is_cancelled_without_money(people: People) -> None:
    place = await enrolled(people, await people.course(price=0))
    answer = await leave(people, place)
    assert answer.refund.amount_minor == 0
    await people.until_state(answer.saga_id, "CANCELLED")
    assert await status(people, place) == CANCELLED


async def test_46_what_has_ended_otherwise_is_not_cancellable(people: People) -> None:
    place = await enrolled(people)
    await let_the_seat_lapse(people, place)
    await people.until_state(place.saga, "EXPIRED")
    with pytest.raises(Refusal) as refused:
        await leave(people, place)
    assert refused.value.reason == "NOT_CANCELLABLE"


async def test_46_a_refund_by_hand_at_the_provider_is_imported_once_and_comes_off(people: People) -> None:
    place = await active(people)
    await people.webhooks("duplicate")
    await people.refund_by_hand(place.intent, 2000)
    await wait_until(lambda: people.our_refunds_of(place.intent), bool)
    await people.at_rest()
    assert [row["amount_minor"] for row in await people.our_refunds_of(place.intent)] == [2000]
    assert (await leave(people, place)).refund.amount_minor == 3000  # what is left


async def test_46_a_dispute_about_a_course_waits_for_a_person(people: People) -> None:
    place = await active(people)
    await people.dispute(place.intent)
    await wait_until(lambda: people.payment(place.payment), lambda payment: payment.disputed)
    ask = "select id::text, state, course_id::text from saga where kind = 'DisputeCase' and booking_id = $1"
    (row,) = await people.world.sql("payment", ask, UUID(place.id))
    assert (row["state"], row["course_id"]) == ("PARKED", place.course.id)
    assert (await people.saga(row["id"])).enrollment_id == place.id


async def test_47_anothers_enrollment_cannot_be_cancelled(people: People) -> None:
    place = await active(people)
    for who, role in ((uuid4(), "student"), (uuid4(), "tutor")):
        with pytest.raises(Refusal) as refused:
            await leave(people, place, who=who, role=role)
        assert refused.value.reason == "NOT_FOUND"
    assert await status(people, place) == ACTIVE


async def test_a_booking_is_no_enrollment_and_an_enrollment_no_booking(people: People) -> None:
    place = await active(people)
    as_booking = Booked(place.id, place.saga, "", place.payment, place.intent, place.student, place.instructor)
    for ask in (people.cancel, people.quote):
        with pytest.raises(Refusal) as refused:
            await ask(as_booking)
        assert refused.value.reason == "NOT_FOUND"
    booked = await people.booked(await people.tutor(), lesson_time())
    as_place = Enrolled(booked.booking, booked.saga, booked.payment, booked.intent, booked.student, place.course)
    with pytest.raises(Refusal) as refused:
        await leave(people, as_place)
    assert refused.value.reason == "NOT_FOUND"
