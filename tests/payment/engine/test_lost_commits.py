"""A transition whose commit nobody answered is made once."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from mesh.errors import TryAgain
from payment_svc.domain import ProviderUnavailable
from tests.payment.faults import told_by
from tests.people import People, lesson_time
from tests.world import World

SOLD = ["started", "payment_opened", "payment_succeeded", "completed"]


class EachAnswerIsLost:
    """A hook: every commit of a move goes through, and the first answer to each pair of tries is lost."""

    def __init__(self) -> None:
        self.moves = 0

    async def __call__(self, point: str) -> None:
        if point == "after commit":
            self.moves += 1
            if self.moves % 2:
                raise TryAgain("the answer was lost")


@pytest.mark.usefixtures("no_replica")
async def test_a_transition_that_was_committed_without_an_answer_is_told_once(people: People, world: World) -> None:
    await world.start_replica(EachAnswerIsLost())
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "COMPLETED")
    assert await told_by(people, booked.saga) == SOLD


@pytest.mark.usefixtures("no_replica")
async def test_a_back_off_that_was_committed_without_an_answer_is_one_failed_attempt(
    people: People, world: World
) -> None:
    await world.start_replica(EachAnswerIsLost())
    tutor = await people.tutor()
    await people.fault("/v1/payment_intents", "error_before", times=1000)
    with pytest.raises(ProviderUnavailable):
        await people.book(tutor, lesson_time())
    await people.no_faults()
    (row,) = await world.sql("payment", "select id, attempt from saga where tutor_id = $1", tutor)
    assert row["attempt"] <= 2
    await people.until_state(str(row["id"]), "AWAITING_PAYMENT")
    assert await told_by(people, str(row["id"])) == SOLD[:2]


@pytest.mark.usefixtures("no_replica")
async def test_the_run_goes_on_from_a_transition_whose_answer_was_lost(people: People, world: World) -> None:
    """It does not wait for the lease to lapse: the repeat finds the move made, by this drive."""
    await world.start_replica(EachAnswerIsLost(), saga_lease_seconds=8)
    tutor = await people.tutor(rate=0)
    booked = await asyncio.wait_for(people.book(tutor, lesson_time(), timeout=20), 20)
    assert booked.saga_state == "COMPLETED"
    (row,) = await world.sql("payment", "select fence from saga where id = $1", UUID(booked.saga_id))
    assert row["fence"] == 1
