"""Tries that arrive late and owners that have been replaced: what they do is undone, or changes nothing."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from mesh.errors import Refusal
from payment_svc.domain import BOOK, ENROLL
from tests.learners import enroll, enrolled, leave
from tests.payment.faults import each, opening_of, told_by
from tests.payment.stalled_owners import LateFirst, StallFirst, block, first_step_of, unblock
from tests.people import People, lesson_time
from tests.world import FailAt, World


async def test_a_first_try_that_arrives_after_the_second_was_refused_holds_no_slot(
    people: People, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tutor, student = await people.tutor(), uuid4()
    blocked = await block(people, tutor, lesson_time())
    peer = first_step_of(world, BOOK).availability
    late = LateFirst(peer.HoldSlot)
    monkeypatch.setattr(peer, "HoldSlot", late)
    with pytest.raises(Refusal) as refused:
        await people.book(tutor, lesson_time(), student)
    assert refused.value.reason == "SLOT_TAKEN"
    saga = await opening_of(people, student)
    assert await told_by(people, saga) == ["started", "undo_refused", "rejected"]
    assert (await people.saga(saga)).state == "REJECTED"
    await unblock(people, tutor, blocked)
    with pytest.raises(Refusal) as barred:
        await late.arrive()
    assert barred.value.reason == "CANCELLED"
    assert await people.claims(saga) == []


async def test_a_first_try_that_arrives_after_the_second_was_refused_takes_no_seat(
    people: People, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    course, student = await people.course(seats=1), uuid4()
    rival = await enrolled(people, course)
    peer = first_step_of(world, ENROLL).learning
    late = LateFirst(peer.HoldSeat)
    monkeypatch.setattr(peer, "HoldSeat", late)
    with pytest.raises(Refusal) as refused:
        await enroll(people, course.id, student)
    assert refused.value.reason == "COURSE_FULL"
    await leave(people, rival)
    with pytest.raises(Refusal) as barred:
        await late.arrive()
    assert barred.value.reason == "CANCELLED"
    assert await people.seats_taken(course.id) == 0
    assert (await enroll(people, course.id, student)).saga_state == "AWAITING_PAYMENT"


async def test_a_first_refusal_is_one_commit_and_undoes_nothing(people: People) -> None:
    tutor, student = await people.tutor(), uuid4()
    await block(people, tutor, lesson_time())
    with pytest.raises(Refusal):
        await people.book(tutor, lesson_time(), student)
    assert await told_by(people, await opening_of(people, student)) == ["started", "rejected"]


@pytest.mark.usefixtures("no_replica")
async def test_an_owner_that_was_refused_does_not_release_what_its_successor_holds(
    people: People, world: World
) -> None:
    tutor, student = await people.tutor(), uuid4()
    blocked = await block(people, tutor, lesson_time())
    stall = StallFirst("before commit")
    await world.start_replica(each(FailAt("before HoldSlot"), stall))
    asking = asyncio.ensure_future(people.book(tutor, lesson_time(), student, timeout=20))
    await stall.until_reached()  # its second try was refused; now its lease lapses
    await unblock(people, tutor, blocked)
    await world.start_replica()
    saga = await opening_of(people, student)
    await people.until_state(saga, "AWAITING_PAYMENT")
    await stall.let_go()
    await asyncio.gather(asking, return_exceptions=True)
    assert await people.claims(saga) == ["HELD", "HELD"]
    await people.pay((await people.saga(saga)).payment_intent_id)
    await people.until_state(saga, "COMPLETED")


@pytest.mark.usefixtures("no_replica")
async def test_a_successor_that_is_refused_undoes_all_that_the_owner_before_it_does(
    people: People, world: World
) -> None:
    """The slot is free again in between, and the stalled owner gets it, with a booking and an intent."""
    tutor, student = await people.tutor(), uuid4()
    blocked = await block(people, tutor, lesson_time())
    holds, tells, looks = StallFirst("before HoldSlot"), StallFirst("before commit"), StallFirst("before find_intent")
    await world.start_replica(each(holds, tells))
    asking = asyncio.ensure_future(people.book(tutor, lesson_time(), student, timeout=20))
    await holds.until_reached()
    saga = await opening_of(people, student)
    await world.start_replica(looks)
    await people.until_state(saga, "COMPENSATING")
    await looks.until_reached()
    await unblock(people, tutor, blocked)
    await holds.let_go()
    await tells.until_reached()
    looks.go.set()
    await people.until_state(saga, "CANCELLED")
    await tells.let_go()
    await asyncio.gather(asking, return_exceptions=True)
    assert [intent["status"] for intent in await people.intents_of(saga)] == ["canceled"]
    (booking,) = await world.sql("booking", "select status from booking where student_id = $1", student)
    assert booking["status"] == "CANCELLED"
    assert await people.claims(saga) == []
