"""Scenario 46 against time: a seat's hold that ends, money that comes late, declines, wrong amounts, deaths midway."""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.learners import (
    ACTIVE,
    CANCELLED,
    EXPIRED,
    PAYMENT_FAILED,
    Enrolled,
    active,
    enroll,
    enrolled,
    let_the_seat_lapse,
    refunded,
    status,
)
from tests.people import People, wait_until
from tests.world import FailAt, StallAt, World
from tutormesh.payment.v1 import payment_pb2, saga_pb2

DECLINED = "pm_card_chargeDeclined"
FULL = bool(os.environ.get("FULL"))
#: Where a process dies. tests/failpoints strikes each of these points too.
DEATHS = ["after HoldSeat", "after create_intent", "before commit"] if FULL else ["after HoldSeat"]


async def assert_nothing_left(people: People, place: Enrolled, end: int) -> None:
    assert await status(people, place) == end
    assert await people.seats_taken(place.course.id) == 0
    assert (await people.intent(place.intent))["status"] == "canceled"
    assert await refunded(people, place) == []


async def test_46_an_unpaid_enrollment_expires_by_itself(people: People) -> None:
    place = await enrolled(people)
    await let_the_seat_lapse(people, place)
    await people.until_state(place.saga, "EXPIRED")
    await assert_nothing_left(people, place, EXPIRED)
    assert (await people.payment(place.payment)).status == payment_pb2.PAYMENT_STATUS_CANCELLED


async def test_46_declined_once_then_a_good_card_is_active(people: People) -> None:
    place = await enrolled(people)
    await people.pay(place.intent, DECLINED)
    await people.until_event(place.saga, "payment_declined")
    await people.pay(place.intent)
    await people.until_state(place.saga, "COMPLETED")
    assert await status(people, place) == ACTIVE


async def test_46_declined_for_good_frees_the_seat_and_closes_the_intent(people: People) -> None:
    place = await enrolled(people)
    for _ in range(3):
        await people.pay(place.intent, DECLINED)
    await people.until_state(place.saga, "PAYMENT_FAILED")
    await assert_nothing_left(people, place, PAYMENT_FAILED)


async def test_46_another_amount_is_never_enrolled_and_goes_back_in_full(people: People) -> None:
    place = await enrolled(people)
    await people.update_intent(place.intent, amount=700)
    await people.pay(place.intent)
    await people.until_state(place.saga, "REFUNDED")
    assert (await status(people, place), await refunded(people, place)) == (CANCELLED, [700])
    assert await people.seats_taken(place.course.id) == 0


async def test_46_paid_in_time_with_a_webhook_hours_late_is_active_while_a_seat_is_left(people: People) -> None:
    await people.webhooks("drop")
    place = await enrolled(people, await people.course(seats=1))
    await people.pay(place.intent)
    await let_the_seat_lapse(people, place, grace_too=True)
    await people.until_state(place.saga, "COMPLETED")
    assert (await status(people, place), await refunded(people, place)) == (ACTIVE, [])


async def test_46_paid_in_time_but_the_seat_went_to_another_is_refunded_once(people: People) -> None:
    await people.webhooks("drop")
    place = await enrolled(people, course := await people.course(seats=1))
    await people.pay(place.intent)
    await let_the_seat_lapse(people, place, grace_too=True, payment_too=False)
    newcomer = await enrolled(people, course)
    await people.send_event(await people.event(place.intent, "payment_intent.succeeded"))
    await people.until_state(place.saga, "REFUNDED")
    assert (await status(people, place), await refunded(people, place)) == (CANCELLED, [5000])
    await people.pay(newcomer.intent)
    await people.send_event(await people.event(newcomer.intent, "payment_intent.succeeded"))
    await people.until_state(newcomer.saga, "COMPLETED")
    assert (await status(people, newcomer), await people.seats_taken(course.id)) == (ACTIVE, 1)


async def test_46_an_old_owner_who_pays_while_another_asks_wins_or_gets_the_money_back_once(people: People) -> None:
    for _ in range(3):
        late = await enrolled(people, course := await people.course(seats=1))
        await let_the_seat_lapse(people, late, grace_too=True, payment_too=False)
        _, other = await asyncio.gather(people.pay(late.intent), enroll(people, course.id), return_exceptions=True)
        state = await people.until_state(late.saga, "COMPLETED", "REFUNDED")
        assert (state == "COMPLETED") == isinstance(other, Exception)
        assert await refunded(people, late) == ([] if state == "COMPLETED" else [5000])
        assert await people.seats_taken(course.id) == 1


async def test_46_money_for_an_ended_enrollment_goes_back_once_and_revives_nothing(people: People) -> None:
    place = await enrolled(people)
    await let_the_seat_lapse(people, place)
    await people.until_state(place.saga, "EXPIRED")
    stray = await people.stray_of(place.saga)
    await people.webhooks("duplicate")
    await people.pay(stray["id"])
    await wait_until(lambda: people.refunds_of(stray["id"]), bool)
    await people.operator.Reconcile(saga_pb2.ReconcileRequest(), timeout=20)
    assert [refund["amount"] for refund in await people.refunds_of(stray["id"])] == [5000]
    assert (await people.state(place.saga), await status(people, place)) == ("EXPIRED", EXPIRED)


async def test_46_one_event_many_times_has_one_effect(people: People) -> None:
    place = await active(people)
    event = await people.event(place.intent, "payment_intent.succeeded")
    assert await asyncio.gather(*(people.send_event(event) for _ in range(5))) == [200] * 5
    assert (await people.state(place.saga), await refunded(people, place)) == ("COMPLETED", [])


@pytest.mark.parametrize("point", DEATHS)
async def test_46_dying_while_opening_ends_in_one_enrollment_to_pay(people: People, world: World, point: str) -> None:
    for replica in list(world.replicas):
        await world.stop_replica(replica)
    stall = StallAt(point)
    doomed = await world.start_replica(stall)
    course = await people.course(seats=1)
    asking = asyncio.ensure_future(enroll(people, course.id))
    await asyncio.wait_for(stall.reached.wait(), 10)
    await world.kill_replica(doomed)
    asking.cancel()  # its client goes with it: nobody asks again
    await asyncio.gather(asking, return_exceptions=True)
    await world.start_replica()
    ask = """select id::text as saga, payment_intent_id as intent from saga
             where course_id = $1 and state = 'AWAITING_PAYMENT'"""
    (row,) = await wait_until(lambda: world.sql("payment", ask, course.id), bool)
    assert len(await people.intents_of(row["saga"])) == 1
    await people.pay(row["intent"])
    await people.until_state(row["saga"], "COMPLETED")
    assert await people.seats_taken(course.id) == 1


async def test_46_a_lost_answer_to_the_pivot_is_asked_for_again(people: People, world: World) -> None:
    for replica in list(world.replicas):
        await world.stop_replica(replica)
    await world.start_replica(FailAt("after CreateEnrollmentRecord"))
    place = await active(people)
    assert (await status(people, place), await refunded(people, place)) == (ACTIVE, [])


async def test_46_a_seat_that_cannot_be_made_active_for_a_day_is_parked_and_finished_by_retry(
    people: People, world: World
) -> None:
    for replica in list(world.replicas):
        await world.stop_replica(replica)
    failing = FailAt("before CreateEnrollmentRecord", times=1000)
    await world.start_replica(failing)
    place = await enrolled(people)
    await people.pay(place.intent)
    await people.until_backing_off(place.saga)
    await world.sql(
        "payment",
        "update saga set state_since = state_since - interval '25 hours', wake_at = clock_timestamp()"
        " where payment_intent_id = $1",
        place.intent,
    )
    await people.until_state(place.saga, "PARKED")
    failing.times = 0
    await people.retry(place.saga)
    await people.until_state(place.saga, "COMPLETED")
    assert await status(people, place) == ACTIVE
