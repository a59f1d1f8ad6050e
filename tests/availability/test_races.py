"""Many calls at once: one succeeds, the others are refused with a reason, and no deadlock occurs."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Any

import pytest

from mesh.errors import Refusal

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


async def outcome(call: Awaitable[Any]) -> str:
    """ "OK", or the reason of the refusal; anything else is a failure of the test."""
    try:
        await call
    except Refusal as refusal:
        return refusal.reason
    return "OK"


async def outcomes(*calls: Awaitable[Any]) -> Counter[str]:
    return Counter(await asyncio.gather(*map(outcome, calls)))


async def test_01_fifty_at_one_slot_make_one_hold_and_forty_nine_refusals(desk: Any, monday: datetime):
    tutor = await desk.publish()
    assert await outcomes(*(desk.hold(tutor, monday) for _ in range(50))) == {"OK": 1, "SLOT_TAKEN": 49}
    assert len(await desk.sql("select 1 from claim where calendar_id = :tutor", tutor=tutor)) == 1
    assert desk.troubles == []  # no deadlock, and the constraint was never needed


async def test_fifty_repeats_of_one_saga_at_once_make_one_hold(desk: Any, monday: datetime):
    tutor, student, saga = await desk.publish(), uuid.uuid4(), uuid.uuid4()
    answers = await asyncio.gather(*(desk.hold(tutor, monday, student, saga) for _ in range(20)))
    assert len({answer.availability_block_id for answer in answers}) == 1
    assert len(await desk.claims(saga)) == 2
    assert desk.troubles == []


async def test_forty_overlapping_ranges_with_roles_reversed_never_deadlock(desk: Any, monday: datetime):
    """People who are both tutors and students book each other. Only the order of the locks prevents a deadlock."""
    people = [await desk.publish() for _ in range(5)]
    pairs = [random.Random(7 + number).sample(people, 2) for number in range(40)]
    found = await outcomes(
        *(desk.hold(tutor, monday + number * 15 * MINUTE, student) for number, (tutor, student) in enumerate(pairs))
    )
    assert found["OK"] >= 1
    assert set(found) <= {"OK", "SLOT_TAKEN", "STUDENT_BUSY", "TOO_MANY_HOLDS"}
    assert await desk.overlaps() == 0
    assert desk.troubles == []


async def test_forty_holds_of_new_people_at_once_never_deadlock(desk: Any, monday: datetime):
    """Rows of new calendars are inserted in the same order."""
    one, other = await desk.publish(), await desk.publish()
    students = [uuid.uuid4() for _ in range(3)]
    calls = [
        desk.hold((one, other)[number % 2], monday + (number % 7) * 15 * MINUTE, students[number % 3])
        for number in range(40)
    ]
    found = await outcomes(*calls)
    assert found["OK"] >= 1
    assert set(found) <= {"OK", "SLOT_TAKEN", "STUDENT_BUSY", "TOO_MANY_HOLDS"}
    assert desk.troubles == []


async def test_a_release_racing_its_hold_leaves_nothing_claimed_either_way(desk: Any, monday: datetime):
    tutor = await desk.publish()
    seen: Counter[str] = Counter()
    for number in range(40):
        student, saga, start = uuid.uuid4(), uuid.uuid4(), monday + number * HOUR
        calls = [desk.hold(tutor, start, student, saga), desk.release(saga)]
        random.Random(number).shuffle(calls)
        seen += await outcomes(*calls)
        assert await desk.claims(saga) == []
        assert await outcome(desk.hold(tutor, start, student, saga)) == "CANCELLED"
    assert set(seen) <= {"OK", "CANCELLED"}
    assert desk.troubles == []


async def test_a_release_racing_a_confirm_ends_released(desk: Any, monday: datetime):
    tutor = await desk.publish()
    for number in range(20):
        saga = uuid.uuid4()
        await desk.hold(tutor, monday + number * HOUR, saga=saga)
        assert set(await outcomes(desk.confirm(saga), desk.release(saga))) <= {"OK", "CANCELLED"}
        assert await desk.claims(saga) == []
    assert desk.troubles == []


async def test_05_an_owner_who_pays_late_and_a_newcomer_are_never_both_served(desk: Any, monday: datetime):
    tutor, seen = await desk.publish(), Counter[str]()
    for number in range(20):
        old, new, start = uuid.uuid4(), uuid.uuid4(), monday + number * HOUR
        await desk.hold(tutor, start, saga=old)
        await desk.lapse(old)
        calls = [desk.confirm(old), desk.hold(tutor, start, saga=new)]
        if number % 2:
            calls.reverse()
        found = await outcomes(*calls)
        assert found == {"OK": 1, "SLOT_TAKEN": 1}
        seen["old" if len(await desk.claims(old)) == 2 else "new"] += 1
    assert sum(seen.values()) == 20
    assert await desk.overlaps() == 0
    assert desk.troubles == []


async def test_a_block_and_a_hold_at_once_never_both_succeed(desk: Any, monday: datetime):
    tutor = await desk.publish()
    for number in range(20):
        start = monday + number * HOUR
        found = await outcomes(desk.hold(tutor, start), desk.block(tutor, (start, start + HOUR)))
        assert found == {"OK": 1, "SLOT_TAKEN": 1}
    assert desk.troubles == []


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_after_random_interleavings_no_claims_overlap_and_every_hold_is_whole(
    desk: Any, monday: datetime, seed: int
):
    """Six workers make random calls for the same people and hours. The test checks the rows that they leave."""
    dice = random.Random(seed)
    people = [await desk.publish(buffer_minutes=dice.choice((0, 5))) for _ in range(4)]
    start, sagas = monday + seed * 7 * DAY, [uuid.uuid4() for _ in range(12)]
    wishes = {
        saga: (*dice.sample(people, 2), start + dice.randrange(12) * 15 * MINUTE, dice.choice((30, 45, 60)))
        for saga in sagas
    }

    async def work(dice: random.Random) -> None:
        for _ in range(25):
            saga = dice.choice(sagas)
            tutor, student, at, minutes = wishes[saga]
            verb = dice.choices(("hold", "confirm", "lapse", "release"), (6, 3, 2, 1))[0]
            if verb == "hold":
                await outcome(desk.hold(tutor, at, student, saga, minutes))
            elif verb == "confirm":
                await outcome(desk.confirm(saga))
            elif verb == "lapse":
                await desk.sql(
                    "update claim set expires_at = clock_timestamp() - interval '1 min'"
                    " where saga_id = :saga and state = 'HELD'",
                    saga=saga,
                )
            else:
                await outcome(desk.release(saga))

    await asyncio.gather(*(work(random.Random(dice.random())) for _ in range(6)))
    assert await desk.overlaps() == 0
    broken = await desk.sql(
        """select h.saga_id, h.state, count(c.id) from hold h left join claim c on c.saga_id = h.saga_id
           group by h.saga_id, h.state
           having (h.state = 'CONFIRMED' and (count(c.id) <> 2 or bool_or(c.state <> 'CONFIRMED')))
               or (h.state = 'RELEASED' and count(c.id) <> 0)
               or (h.state = 'HELD' and bool_or(c.state <> 'HELD'))"""
    )
    assert broken == []
    assert desk.troubles == []
