"""Scenario 38: a saga that an earlier version began ends under today's code."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from payment_svc.domain import BOOK, ENDS, ENROLL, State, Undo
from tests.golden.lay_out import lay_out
from tests.golden.rows import Golden, kept
from tests.people import People
from tests.world import World

GOLDEN = kept()
VERSIONS = sorted({golden.version for golden in GOLDEN})
#: The status of a booking, and of an enrollment, by the end of its saga.
ENDS_AS = {"COMPLETED": 2, "EXPIRED": 5, "CANCELLED": 3, "PAYMENT_FAILED": 4}


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def nobody_drives(world: World) -> AsyncIterator[None]:
    """Today's code comes to rows that are there already."""
    for replica in list(world.replicas):
        await world.stop_replica(replica)
    yield
    for replica in list(world.replicas):
        await world.stop_replica(replica)


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: f"{golden.version[0]}-{golden.version[1]}-{golden.name}")
async def test_38_a_golden_saga_is_driven_to_its_end(people: People, world: World, golden: Golden) -> None:
    await lay_out(people, golden)
    await world.start_replica()
    saga_id = golden.saga["id"]
    if golden.then == "pay":
        await people.until_state(saga_id, "AWAITING_PAYMENT")
        rows = await world.sql("payment", "select payment_intent_id from saga where id = $1", UUID(saga_id))
        await people.pay(rows[0]["payment_intent_id"])
    elif golden.then == "retry":
        assert await people.state(saga_id) == State.PARKED
        await people.retry(saga_id)
    elif golden.then == "reconcile":
        await world.replicas[0].app.reconcile.run_everything()
    assert await people.until_state(saga_id, *ENDS) == golden.ends
    await _assert_all_agree(people, golden)


async def _assert_all_agree(people: People, golden: Golden) -> None:
    """One intent, one booking, one lesson or none, and the money where it belongs."""
    saga_id, purchase = golden.purchase["id"], golden.purchase
    intents = await people.intents_of(saga_id)
    assert len(intents) == (0 if purchase["context"].get("undo") in (Undo.PROVIDER_REFUSED, Undo.REFUSED) else 1)
    assert all(found["status"] in ("succeeded", "canceled") for found in intents)
    sold = golden.ends == State.COMPLETED
    if purchase.get("course_id"):
        assert await people.seats_taken(purchase["course_id"]) == sold
    else:
        assert await people.claims(saga_id) == (["CONFIRMED", "CONFIRMED"] if sold else [])
    if golden.ends == State.REJECTED:
        service, table = ("learning", "enrollment") if purchase.get("course_id") else ("booking", "booking")
        barred = f"select student_id from {table} where id = $1"  # a tombstone has none
        assert [row[0] for row in await people.world.sql(service, barred, UUID(purchase["booking_id"]))] == [None]
        return
    thing = await (people.enrollment if purchase.get("course_id") else people.booking)(purchase["booking_id"])
    assert thing.status in ((ENDS_AS[golden.ends],) if golden.ends in ENDS_AS else (3, 5))
    refunds = [refund for found in intents for refund in await people.refunds_of(found["id"])]
    assert sum(refund["amount"] for refund in refunds) == (
        sum(found["amount_received"] for found in intents) if golden.ends == State.REFUNDED else 0
    )


async def test_every_kind_and_version_that_the_engine_knows_has_golden_sagas(world: World) -> None:
    replica = await world.start_replica()
    assert set(VERSIONS) == set(replica.app.engine.kinds)


def of(version: tuple[str, int]) -> list[dict[str, Any]]:
    return [golden.saga for golden in GOLDEN if golden.version == version]


def where_parked(rows: list[dict[str, Any]]) -> set[str]:
    return {row["context"]["parked_from"] for row in rows if row["state"] == State.PARKED}


PURCHASES = [version for version in VERSIONS if version[0] in (BOOK, ENROLL)]
CANCELS = [version for version in VERSIONS if version not in PURCHASES]


@pytest.mark.parametrize("version", PURCHASES, ids=str)
def test_a_purchase_is_golden_in_every_state_undo_and_state_to_park_from(version: tuple[str, int]) -> None:
    rows = of(version)
    assert {row["state"] for row in rows} == set(State) - ENDS
    assert {row["context"]["undo"] for row in rows if row["state"] == State.COMPENSATING} == set(Undo)
    assert where_parked(rows) == {State.BOOKING_SESSION, State.COMPENSATING}


@pytest.mark.parametrize("version", CANCELS, ids=str)
def test_a_cancel_is_golden_while_it_takes_back_and_parked(version: tuple[str, int]) -> None:
    rows = of(version)
    assert {row["state"] for row in rows} == {State.COMPENSATING, State.PARKED}
    assert where_parked(rows) == {State.COMPENSATING}


def test_a_golden_saga_names_no_mesh_and_no_moment() -> None:
    for golden in GOLDEN:
        text = json.dumps(golden.rows)
        assert "_secret_" not in text
        assert "pi_" not in text
