"""Every failpoint of every flow × every fault × everybody who may take over: the end is the undisturbed one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from tests.failpoints.boundaries import Point, catalogue, is_struck
from tests.failpoints.callbacks import CALLBACK_FLOWS
from tests.failpoints.cases import Case, Flow, Outside, outside, points_of, run
from tests.failpoints.flows import FLOWS, enroll
from tests.people import People
from tests.world import World

FAULTS = ("killed", "exception", "stalled", "connection cut")
SUCCESSORS = ("the same process", "another replica", "another version")
AT_ONCE = 8
FULL = bool(os.environ.get("FULL"))
visited: set[str] = set()


@pytest_asyncio.fixture(autouse=True, scope="module", loop_scope="session")
async def shared(world: World) -> AsyncIterator[Outside]:
    """No replica but the cases' own; their connections to the outside."""
    for replica in list(world.replicas):
        await world.stop_replica(replica)
    async with outside(world) as connections:
        yield connections


async def new_case(people: People, shared: Outside, flow: Flow) -> Case:
    """Somebody who teaches what the flow sells, and a new student."""
    if enroll in flow.stimuli:
        course = await people.course(seats=1)
        return Case(people, shared, student=uuid4(), tutor=UUID(course.instructor_id), course=course.id)
    return Case(people, shared, student=uuid4(), tutor=await people.tutor())


@pytest.mark.parametrize("flow", FLOWS + CALLBACK_FLOWS, ids=lambda flow: flow.name)
async def test_29_30_whatever_fails_wherever_the_flow_ends_as_it_must(
    people: People, shared: Outside, flow: Flow
) -> None:
    await people.webhooks("drop")
    points = [p for p in await points_of(flow, lambda: new_case(people, shared, flow)) if is_struck(p, FULL)]
    cases = [(p, f, s) for p in points for f in FAULTS for s in SUCCESSORS]
    room, wrong = asyncio.Semaphore(AT_ONCE), list[str]()

    async def one(point: Point, fault: str, successor: str) -> None:
        async with room:
            try:
                visited.update(await run(flow, await new_case(people, shared, flow), point, fault, successor))
            except Exception as error:
                wrong.append(f"{fault} at {point}, then {successor}: {type(error).__name__}: {error}")

    await asyncio.gather(*(one(*case) for case in cases))
    print(f"{flow.name}: {len(points)} points, {len(cases)} cases")
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong[:20])


def test_every_failpoint_there_is_was_visited() -> None:
    print(f"{len(visited)} failpoints visited")
    assert sorted(catalogue() - visited) == []
