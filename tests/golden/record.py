"""How golden sagas are recorded. When a version of a saga is about to be released:

    make test ARGS="tests/golden/record.py"

drives today's code to each state below and writes `sagas/<kind>-<version>/<state>.json` for every file that is not
there yet; then run `make test ARGS=tests/golden`. A file is never changed afterwards: it is what that version left in
somebody's database. To record one again that was never released, delete it first. A new waiting or running state gets
a line in recipes.py or seats.py. (Not collected by `make test`: its name is no test's.)
"""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.golden.recipes import RECIPES, Recipe
from tests.golden.rows import FOLDER, Golden, keep, taken
from tests.golden.seats import SEATS
from tests.people import Booked, People, wait_until
from tests.world import FailAt, World

ALL = RECIPES | SEATS


@pytest.mark.parametrize("name", ALL)
async def test_record(people: People, world: World, name: str) -> None:
    if list(FOLDER.glob(f"*/{name}.json")):
        pytest.skip("is there")
    recipe = ALL[name]
    for replica in list(world.replicas):
        await world.kill_replica(replica)
    doomed = await world.start_replica(recipe.hook())
    booked, waiting = await _brought_there(people, recipe)
    saga_ids = [booked.saga]
    if recipe.cancels:
        saga_ids.append(await _saga_beside(people, booked))
    if recipe.case:
        saga_ids.append(await _saga_beside(people, booked, "RefundCase"))
    await people.until_state(saga_ids[-1], recipe.state)
    if isinstance(recipe.hook(), FailAt):
        await people.until_backing_off(saga_ids[-1])
    if recipe.parked:
        await _parked(people, saga_ids[-1])
    await world.kill_replica(doomed)
    await asyncio.gather(waiting, return_exceptions=True)
    rows = await taken(world, saga_ids)
    print(keep(Golden(name, rows, recipe.calls, recipe.intent, recipe.then, recipe.ends)))


async def _brought_there(people: People, recipe: Recipe) -> tuple[Booked, asyncio.Future[Any]]:
    student = uuid4()
    teacher, asking = await recipe.begin(people, student, recipe.price)
    if not recipe.opens:
        await asking
    ask = "select * from saga where student_id = $1"
    row = (await wait_until(lambda: people.world.sql("payment", ask, student), bool))[0]
    names = (row[name] for name in ("booking_id", "id", "session_id", "payment_id"))
    booked = Booked(*(str(name) for name in names), row["payment_intent_id"] or "", student, teacher)
    if recipe.opens:
        return booked, asking
    return booked, asyncio.ensure_future(recipe.act(people, booked))


async def _saga_beside(people: People, booked: Booked, kind: str = "Cancel%") -> str:
    """The saga of this kind beside the purchase, once it is there."""
    ask = "select id from saga where booking_id = $1 and kind like $2"
    return str((await wait_until(lambda: people.world.sql("payment", ask, UUID(booked.booking), kind), bool))[0]["id"])


async def _parked(people: People, saga_id: str) -> None:
    """A day of backing off later."""
    later = "update saga set state_since = state_since - interval '25 hours', wake_at = clock_timestamp() where id = $1"
    await people.world.sql("payment", later, UUID(saga_id))
    await people.until_state(saga_id, "PARKED")
