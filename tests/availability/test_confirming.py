"""ConfirmSlot: in time, late, and too late."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from tests.statements import sent_by

HOUR, QUARTER = timedelta(hours=1), timedelta(minutes=15)
CONFIRMED = [("TUTOR", "CONFIRMED"), ("STUDENT", "CONFIRMED")]


async def hold_new(desk: Any, start: datetime, tutor: uuid.UUID | None = None, student: uuid.UUID | None = None) -> Any:
    """Make a new hold: its saga, tutor, student and response."""
    tutor, student, saga = tutor or await desk.publish(), student or uuid.uuid4(), uuid.uuid4()
    return saga, tutor, student, await desk.hold(tutor, start, student, saga)


async def test_a_hold_is_confirmed_and_confirming_it_again_changes_nothing(desk: Any, monday: datetime, reason: Any):
    saga, tutor, _, answer = await hold_new(desk, monday)
    first, again = await desk.confirm(saga), await desk.confirm(saga)
    assert first.availability_block_id == again.availability_block_id == answer.availability_block_id
    assert await desk.claims(saga) == CONFIRMED
    assert await reason(desk.hold(tutor, monday)) == "SLOT_TAKEN"


async def test_a_hold_that_stands_is_confirmed_by_one_statement(desk: Any, monday: datetime):
    saga, *_ = await hold_new(desk, monday)
    with sent_by(desk.database) as sent:
        await desk.confirm(saga)
    assert len(sent.statements) == 1


async def test_an_unknown_saga_is_not_found(desk: Any, reason: Any):
    assert await reason(desk.confirm(uuid.uuid4())) == "NOT_FOUND"


async def test_a_confirmed_lesson_never_lapses(desk: Any, monday: datetime, reason: Any):
    saga, tutor, _, _ = await hold_new(desk, monday)
    await desk.confirm(saga)
    await desk.sql("update hold set expires_at = clock_timestamp() - interval '1 day' where saga_id = :s", s=saga)
    assert await reason(desk.hold(tutor, monday)) == "SLOT_TAKEN"


async def test_04_a_lapsed_hold_stands_within_the_grace_and_gives_way_after_it(
    desk: Any, monday: datetime, reason: Any
):
    saga, tutor, _, _ = await hold_new(desk, monday)
    await desk.lapse(saga, ago=timedelta(seconds=10))
    assert await reason(desk.hold(tutor, monday)) == "SLOT_TAKEN"
    assert await desk.slots(tutor, monday, monday + QUARTER) == []
    await desk.lapse(saga)
    assert await desk.slots(tutor, monday, monday + QUARTER) == [monday]
    await desk.hold(tutor, monday)


async def test_a_lapsed_hold_whose_time_is_still_free_is_confirmed(desk: Any, monday: datetime):
    saga, *_ = await hold_new(desk, monday)
    await desk.lapse(saga, ago=2 * HOUR)
    await desk.confirm(saga)
    assert await desk.claims(saga) == CONFIRMED


async def test_a_lesson_that_has_begun_is_not_confirmed_although_its_time_is_free(
    desk: Any, monday: datetime, reason: Any
):
    saga, *_ = await hold_new(desk, monday)
    await desk.begin(saga)
    assert await reason(desk.confirm(saga)) == "TOO_SOON"
    assert await desk.claims(saga) == [("TUTOR", "HELD"), ("STUDENT", "HELD")]


async def test_a_hold_that_ended_with_the_lessons_start_is_confirmed_within_the_grace(desk: Any, monday: datetime):
    saga, *_ = await hold_new(desk, monday)
    await desk.begin(saga, timedelta(seconds=10))
    await desk.confirm(saga)
    assert await desk.claims(saga) == CONFIRMED


async def test_repeating_a_confirm_after_the_lesson_has_begun_changes_nothing(desk: Any, monday: datetime):
    saga, _, _, answer = await hold_new(desk, monday)
    await desk.confirm(saga)
    back = "start_at = start_at - interval '1 year', end_at = end_at - interval '1 year'"
    await desk.sql(
        f"update hold set {back}, expires_at = start_at - interval '1 year' where saga_id = :saga", saga=saga
    )
    assert (await desk.confirm(saga)).availability_block_id == answer.availability_block_id


async def test_only_the_overlapping_claim_is_evicted(desk: Any, monday: datetime):
    saga, tutor, _, _ = await hold_new(desk, monday)
    await desk.lapse(saga)
    await desk.hold(tutor, monday)
    assert await desk.claims(saga) == [("STUDENT", "HELD")]


async def test_a_lapsed_hold_that_lost_its_time_is_not_confirmed(desk: Any, monday: datetime, reason: Any):
    saga, tutor, _, _ = await hold_new(desk, monday)
    await desk.lapse(saga)
    newer, *_ = await hold_new(desk, monday, tutor)
    assert await reason(desk.confirm(saga)) == "SLOT_TAKEN"
    await desk.confirm(newer)
    assert await reason(desk.confirm(saga)) == "SLOT_TAKEN"
    assert await desk.claims(newer) == CONFIRMED


async def test_a_lapsed_hold_whose_time_is_free_again_is_confirmed(desk: Any, monday: datetime):
    saga, tutor, _, answer = await hold_new(desk, monday)
    await desk.lapse(saga)
    newer, *_ = await hold_new(desk, monday, tutor)
    await desk.release(newer)
    await desk.publish(tutor, weekly=[], minimum_notice_minutes=525_600)  # a re-win ignores hours and notice
    won = await desk.confirm(saga)
    assert won.availability_block_id == answer.availability_block_id
    assert await desk.claims(saga) == CONFIRMED
    assert (await desk.confirm(saga)).availability_block_id == answer.availability_block_id


async def test_claiming_again_evicts_holds_that_lapsed_meanwhile(desk: Any, monday: datetime, reason: Any):
    saga, tutor, _, _ = await hold_new(desk, monday)
    await desk.lapse(saga)
    newer, *_ = await hold_new(desk, monday, tutor)
    await desk.lapse(newer)
    await desk.confirm(saga)
    assert await desk.claims(saga) == CONFIRMED
    assert await reason(desk.confirm(newer)) == "SLOT_TAKEN"


async def test_claiming_again_refuses_a_lesson_that_has_begun(desk: Any, monday: datetime, reason: Any):
    saga, *_ = await hold_new(desk, monday)
    await desk.begin(saga)
    await desk.sql("delete from claim where saga_id = :saga and role = 'TUTOR'", saga=saga)
    assert await reason(desk.confirm(saga)) == "TOO_SOON"


async def test_claiming_again_refuses_a_student_who_is_busy_by_now(desk: Any, monday: datetime, reason: Any):
    saga, _, student, _ = await hold_new(desk, monday)
    await desk.lapse(saga)
    await hold_new(desk, monday, student=student)  # with another tutor; evicts the student's row
    assert await desk.claims(saga) == [("TUTOR", "HELD")]
    assert await reason(desk.confirm(saga)) == "STUDENT_BUSY"


async def test_a_released_hold_is_never_claimed_again(desk: Any, monday: datetime, reason: Any):
    saga, tutor, _, _ = await hold_new(desk, monday)
    await desk.lapse(saga)
    newer, *_ = await hold_new(desk, monday, tutor)
    await desk.release(saga)
    await desk.release(newer)
    assert await reason(desk.confirm(saga)) == "CANCELLED"


async def test_a_hold_is_confirmed_hours_late_when_its_time_is_free(desk: Any, monday: datetime):
    saga, *_ = await hold_new(desk, monday)
    await desk.lapse(saga, ago=2 * HOUR)
    await desk.sql("delete from claim where saga_id = :saga", saga=saga)  # the sweeper's work
    await desk.confirm(saga)
    assert await desk.claims(saga) == CONFIRMED
