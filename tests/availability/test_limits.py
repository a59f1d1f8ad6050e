"""How much may stand unpaid: of one student, of one student with one tutor, of one tutor; and the pause."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from availability_svc.limits import Standing
from mesh.errors import Refusal
from tests.availability.conftest import LIMITS
from tutormesh.common.v1.money_pb2 import Money

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FREE = {"rate": Money(amount_minor=0, currency="USD")}


async def held(desk: Any, tutor: uuid.UUID, start: datetime, student: uuid.UUID, minutes: int = 60) -> uuid.UUID:
    """Hold a lesson; its saga."""
    saga = uuid.uuid4()
    await desk.hold(tutor, start, student, saga, minutes)
    return saga


async def bought(desk: Any, tutor: uuid.UUID, start: datetime, student: uuid.UUID, minutes: int = 60) -> uuid.UUID:
    """Hold a lesson and confirm it; its saga."""
    saga = await held(desk, tutor, start, student, minutes)
    await desk.confirm(saga)
    return saga


async def lapse_many(desk: Any, tutor: uuid.UUID, start: datetime, student: uuid.UUID, number: int) -> None:
    """Hold a lesson and cancel it, so many times."""
    for _ in range(number):
        await desk.release(await held(desk, tutor, start, student))


@pytest.mark.parametrize(
    ("standing", "minutes", "allowed"),
    [
        (Standing(), 1440, True),  # one lesson, however long, of a student who has nothing unpaid
        (Standing(holds=2), 60, True),
        (Standing(holds=3), 15, False),
        (Standing(minutes=420), 60, True),
        (Standing(minutes=421), 60, False),
        (Standing(minutes=15), 466, False),
        (Standing(minutes=180, minutes_here=180), 60, True),
        (Standing(minutes=180, minutes_here=180), 61, False),
        (Standing(minutes=180), 61, True),
        (Standing(minutes=15), 240, True),
        (Standing(minutes=15), 241, False),  # only who has nothing with anybody may have one long lesson
        (Standing(minutes_of_tutor=2340), 60, True),
        (Standing(minutes_of_tutor=2341), 60, False),
        (Standing(minutes_of_tutor=9999, has_paid=True), 60, True),
        (Standing(minutes_of_tutor=9999, has_paid=True, holds=3), 60, False),
        (Standing(is_paused=True, has_paid=True), 15, False),
    ],
)
def test_each_limit_allows_its_own_number_and_not_one_more(standing: Standing, minutes: int, allowed: bool):
    if allowed:
        LIMITS.must_allow(standing, minutes)
    else:
        with pytest.raises(Refusal) as refused:
            LIMITS.must_allow(standing, minutes)
        assert refused.value.reason == "TOO_MANY_HOLDS"


@pytest.mark.parametrize("rate", [0, 5000])
async def test_a_student_holds_240_minutes_of_one_tutor_and_not_one_more(
    desk: Any, monday: datetime, reason: Any, rate: int
):
    tutor, student = await desk.publish(rate=Money(amount_minor=rate, currency="USD")), uuid.uuid4()
    await held(desk, tutor, monday, student, 120)
    await held(desk, tutor, monday + 3 * HOUR, student, 90)
    assert await reason(desk.hold(tutor, monday + 6 * HOUR, student, minutes=31)) == "TOO_MANY_HOLDS"
    await held(desk, tutor, monday + 6 * HOUR, student, 30)


async def test_a_student_holds_480_minutes_of_all_tutors_and_not_one_more(desk: Any, monday: datetime, reason: Any):
    one, two, three = [await desk.publish() for _ in range(3)]
    student = uuid.uuid4()
    await held(desk, one, monday, student, 240)
    await held(desk, two, monday + 5 * HOUR, student, 181)
    assert await reason(desk.hold(three, monday + 9 * HOUR, student, minutes=60)) == "TOO_MANY_HOLDS"
    await held(desk, three, monday + 9 * HOUR, student, 59)


async def test_free_lessons_to_come_count_though_confirmed_and_paid_ones_do_not(
    desk: Any, monday: datetime, reason: Any
):
    paid, free, other = await desk.publish(), await desk.publish(**FREE), await desk.publish(**FREE)
    student = uuid.uuid4()
    for number in range(4):
        await bought(desk, paid, monday + number * DAY, student, 240)
        await bought(desk, free, monday + number * DAY + 12 * HOUR, student, 60)
    assert await reason(desk.hold(free, monday + 5 * DAY, student, minutes=15)) == "TOO_MANY_HOLDS"
    for number in range(4):
        await bought(desk, other, monday + number * DAY + 15 * HOUR, student, 60)
    for tutor in (paid, await desk.publish(**FREE)):  # 480 minutes are free: nothing more, from nobody
        assert await reason(desk.hold(tutor, monday + 6 * DAY, student, minutes=15)) == "TOO_MANY_HOLDS"


async def test_a_free_lesson_that_is_over_or_was_given_back_no_longer_counts(desk: Any, monday: datetime, reason: Any):
    tutor, student = await desk.publish(**FREE), uuid.uuid4()
    begun, _, _, given_back = [await bought(desk, tutor, monday + n * HOUR, student) for n in range(4)]
    assert await reason(desk.hold(tutor, monday + 8 * HOUR, student)) == "TOO_MANY_HOLDS"
    await desk.release(given_back)
    await bought(desk, tutor, monday + 8 * HOUR, student)
    assert await reason(desk.hold(tutor, monday + 10 * HOUR, student)) == "TOO_MANY_HOLDS"
    past = "tstzrange(clock_timestamp() - interval '1 min', clock_timestamp() + interval '59 min')"
    await desk.sql(f"update claim set during = {past} where saga_id = :saga", saga=begun)
    await desk.sql(
        "update hold set start_at = clock_timestamp() - interval '1 min', expires_at = clock_timestamp() - interval '1 h'"
        " where saga_id = :saga",
        saga=begun,
    )
    await bought(desk, tutor, monday + 10 * HOUR, student)


async def test_what_lapsed_or_was_paid_no_longer_counts(desk: Any, monday: datetime):
    tutor, student = await desk.publish(), uuid.uuid4()
    await bought(desk, tutor, monday, student, 240)
    await desk.lapse(await held(desk, tutor, monday + 5 * HOUR, student, 240), ago=timedelta(seconds=1))
    await held(desk, tutor, monday + 10 * HOUR, student, 240)


async def test_a_tutors_weeks_are_not_emptied_by_people_who_never_paid(desk: Any, monday: datetime, reason: Any):
    """Ten accounts hold 2,400 minutes; an eleventh gets none; somebody who has paid, with whomever, still gets in."""
    tutor, other = await desk.publish(buffer_minutes=60), await desk.publish()
    regular, newcomer = uuid.uuid4(), uuid.uuid4()
    await bought(desk, other, monday - DAY, regular)
    first = None
    for number in range(10):
        saga = await held(desk, tutor, monday + number * 6 * HOUR, uuid.uuid4(), 240)
        first = first or saga
    assert await reason(desk.hold(tutor, monday + 5 * DAY, newcomer, minutes=15)) == "TOO_MANY_HOLDS"
    await held(desk, other, monday + 5 * DAY, newcomer)  # with another tutor they may
    await held(desk, tutor, monday + 5 * DAY, regular)
    await desk.confirm(first)  # one of the ten paid: their 240 minutes are free for others, 60 are the regular's
    assert await reason(desk.hold(tutor, monday + 6 * DAY, newcomer, minutes=181)) == "TOO_MANY_HOLDS"
    await held(desk, tutor, monday + 6 * DAY, newcomer, 180)


async def test_a_lesson_that_was_paid_and_given_back_makes_nobody_a_person_who_has_paid(
    desk: Any, monday: datetime, reason: Any
):
    """Its money went back: each account of somebody with one card could do so."""
    tutor, other, student = await desk.publish(), await desk.publish(), uuid.uuid4()
    given_back = await bought(desk, other, monday - DAY, student)
    for number in range(10):
        await held(desk, tutor, monday + number * 5 * HOUR, uuid.uuid4(), 240)
    await desk.release(given_back)
    assert await reason(desk.hold(tutor, monday + 5 * DAY, student)) == "TOO_MANY_HOLDS"
    await bought(desk, other, monday - DAY, student)
    await held(desk, tutor, monday + 5 * DAY, student)


async def test_a_free_lesson_makes_nobody_a_person_who_has_paid(desk: Any, monday: datetime, reason: Any):
    tutor, free, student = await desk.publish(), await desk.publish(**FREE), uuid.uuid4()
    await bought(desk, free, monday - DAY, student)
    for number in range(10):
        await held(desk, tutor, monday + number * 5 * HOUR, uuid.uuid4(), 240)
    assert await reason(desk.hold(tutor, monday + 5 * DAY, student)) == "TOO_MANY_HOLDS"


async def test_five_cancelled_holds_within_an_hour_are_followed_by_a_pause(desk: Any, monday: datetime, reason: Any):
    tutor, other, student = await desk.publish(), await desk.publish(), uuid.uuid4()
    await lapse_many(desk, tutor, monday, student, 4)
    await lapse_many(desk, other, monday, student, 1)
    for again in (tutor, other):
        assert await reason(desk.hold(again, monday + DAY, student)) == "TOO_MANY_HOLDS"
    await held(desk, tutor, monday, uuid.uuid4())  # others may
    back = "update hold set released_at = released_at - interval '15 min' where student_id = :s"
    await desk.sql(back, s=student)
    await held(desk, tutor, monday + DAY, student)


async def test_a_hold_that_ended_more_than_an_hour_ago_is_forgotten(desk: Any, monday: datetime, reason: Any):
    tutor, student = await desk.publish(), uuid.uuid4()
    await lapse_many(desk, tutor, monday, student, 1)
    await desk.sql(
        "update hold set released_at = released_at - interval '61 min', created_at = created_at - interval '61 min'"
        " where student_id = :s",
        s=student,
    )
    await lapse_many(desk, tutor, monday, student, 4)
    await lapse_many(desk, tutor, monday, student, 1)  # with this one they are five
    assert await reason(desk.hold(tutor, monday, student)) == "TOO_MANY_HOLDS"


async def test_holds_that_lapsed_count_as_those_that_were_cancelled(desk: Any, monday: datetime, reason: Any):
    tutor, student = await desk.publish(), uuid.uuid4()
    for number in range(5):
        saga = await held(desk, tutor, monday + number * HOUR, student)
        await desk.lapse(saga, ago=timedelta(minutes=number))
        if number % 2:
            await desk.release(saga)  # as its saga does soon after
    assert await reason(desk.hold(tutor, monday + DAY, student)) == "TOO_MANY_HOLDS"


async def test_a_pause_ends_at_the_lapse_and_not_at_the_release_that_follows(desk: Any, monday: datetime):
    tutor, student = await desk.publish(), uuid.uuid4()
    for number in range(5):
        saga = await held(desk, tutor, monday + number * HOUR, student)
        await desk.lapse(saga, ago=timedelta(minutes=16))
        await desk.release(saga)
    await held(desk, tutor, monday + DAY, student)


async def test_free_lessons_that_are_taken_and_given_back_count_and_paid_ones_do_not(
    desk: Any, monday: datetime, reason: Any
):
    free, paid, student, payer = await desk.publish(**FREE), await desk.publish(), uuid.uuid4(), uuid.uuid4()
    for _ in range(5):
        await desk.release(await bought(desk, free, monday, student))
        await desk.release(await bought(desk, paid, monday, payer))
    assert await reason(desk.hold(paid, monday, student)) == "TOO_MANY_HOLDS"
    await held(desk, paid, monday, payer)


async def test_a_lapsed_hold_that_was_paid_after_all_counts_for_nothing(desk: Any, monday: datetime):
    tutor, student = await desk.publish(), uuid.uuid4()
    for number in range(6):
        saga = await held(desk, tutor, monday + number * HOUR, student)
        await desk.lapse(saga)
        await desk.confirm(saga)
    await held(desk, tutor, monday + DAY, student)


async def test_tombstones_are_nobodys(desk: Any, monday: datetime):
    tutor, student = await desk.publish(), uuid.uuid4()
    for _ in range(6):
        await desk.release(uuid.uuid4())
    await held(desk, tutor, monday, student)


async def outcome(call: Any) -> str:
    try:
        await call
    except Refusal as refusal:
        return refusal.reason
    return "OK"


async def test_limits_are_counted_under_the_calendars_locks(desk: Any, monday: datetime):
    """At once, one student asks twenty tutors, and forty students ask one tutor."""
    tutors, student = [await desk.publish() for _ in range(20)], uuid.uuid4()
    calls = (desk.hold(tutor, monday + n * HOUR, student) for n, tutor in enumerate(tutors))
    assert Counter(await asyncio.gather(*map(outcome, calls))) == {"OK": 3, "TOO_MANY_HOLDS": 17}
    tutor = await desk.publish(maximum_days_ahead=365)
    calls = (desk.hold(tutor, monday + n * 4 * HOUR, minutes=240) for n in range(40))
    assert Counter(await asyncio.gather(*map(outcome, calls))) == {"OK": 10, "TOO_MANY_HOLDS": 30}
    assert desk.troubles == []


async def test_repeating_a_hold_at_the_limit_returns_it(desk: Any, monday: datetime):
    tutor, student = await desk.publish(), uuid.uuid4()
    sagas = [uuid.uuid4() for _ in range(3)]
    for _ in range(2):
        for hour, saga in enumerate(sagas):
            await desk.hold(tutor, monday + hour * HOUR, student, saga)
