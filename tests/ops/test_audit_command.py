"""`tutormesh audit` against a running mesh."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from ops.audit import collect
from ops.audit.command import audit_mesh
from ops.peers import Peers
from tests.ops.conftest import Tutormesh
from tests.people import People, lesson_time

pytestmark = pytest.mark.usefixtures("short_pauses")


async def sell(people: People) -> str:
    """Sell a lesson and return its saga's id."""
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id)
    await people.until_state(booked.saga_id, "COMPLETED")
    return str(booked.saga_id)


async def test_a_mesh_with_every_kind_of_end_is_clean(people: People, tutormesh: Tutormesh) -> None:
    await sell(people)
    free = await people.book(await people.tutor(rate=0), lesson_time())
    assert free.saga_state == "COMPLETED"
    tutor = await people.tutor()
    waiting = await people.book(tutor, lesson_time())
    expiring = await people.book(tutor, lesson_time(hour=14))
    await people.let_the_hold_end(expiring.saga_id)
    await people.until_state(expiring.saga_id, "EXPIRED")
    declined = await people.book(tutor, lesson_time(hour=16))
    for _ in range(3):
        await people.pay(declined.payment_intent_id, "pm_card_chargeDeclined")
    await people.until_state(declined.saga_id, "PAYMENT_FAILED")
    answer = await tutormesh("audit")
    assert answer.exit_code == 0, answer.output
    assert answer.output.startswith("clean: ")
    assert await people.state(waiting.saga_id) == "AWAITING_PAYMENT"


async def test_a_payment_refunded_because_the_amount_was_changed_is_clean(people: People, peers: Peers) -> None:
    booked = await people.book(await people.tutor(), lesson_time())
    await people.update_intent(booked.payment_intent_id, amount=100)
    await people.pay(booked.payment_intent_id)
    await people.until_state(booked.saga_id, "REFUNDED")
    assert (await audit_mesh(peers)).breaches == ()


async def test_small_pages_give_the_same_snapshot(
    people: People, peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await sell(people)
    whole = await collect.collect_snapshot(peers)
    monkeypatch.setattr(collect, "ROWS", 2)
    monkeypatch.setattr(collect, "INTENTS", 2)
    paged = await collect.collect_snapshot(peers)
    assert paged.counts() == whole.counts()
    assert set(paged.claims) == set(whole.claims)
    assert whole.counts()["sagas"] >= 3


async def test_a_lesson_that_lost_its_slot_is_reported_with_what_to_do(people: People, tutormesh: Tutormesh) -> None:
    saga_id = await sell(people)
    lose = "update claim set state = 'HELD', expires_at = clock_timestamp() + interval '1 hour' where saga_id = $1"
    await people.world.sql("availability", lose, UUID(saga_id))
    answer = await tutormesh("audit")
    assert answer.exit_code == 1
    for whose in ("tutor", "student"):
        assert f"I7: saga {saga_id} is COMPLETED, but its {whose}'s calendar has no confirmed claim" in answer.output
    assert f"do: look at `tutormesh saga show {saga_id}`" in answer.output
    output = json.loads((await tutormesh("audit", "--json")).output)
    assert output["clean"] is False
    assert output["breaches"][0]["ids"][0] == saga_id
    find = "update claim set state = 'CONFIRMED', expires_at = null where saga_id = $1"
    await people.world.sql("availability", find, UUID(saga_id))
    assert json.loads((await tutormesh("audit", "--json")).output)["clean"] is True


async def test_a_saga_that_nobody_runs_is_reported(people: People, tutormesh: Tutormesh) -> None:
    booked = await people.book(await people.tutor(), lesson_time())
    asleep = "update saga set wake_at = clock_timestamp() - interval '1 hour', version = $2 where id = $1"
    await people.world.sql("payment", asleep, UUID(booked.saga_id), 99)
    answer = await tutormesh("audit")
    assert answer.exit_code == 1
    assert f"I5: saga {booked.saga_id} is AWAITING_PAYMENT and its wake-up" in answer.output
