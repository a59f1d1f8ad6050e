"""Every failpoint of a flow × every fault, with each who may take over: the end is the undisturbed one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from uuid import UUID, uuid4

from tests.failpoints.actors import Outside
from tests.failpoints.boundaries import Point, struck
from tests.failpoints.cases import Case, Flow, points_of, run
from tests.failpoints.flows import enroll
from tests.people import People

FAULTS = ("killed", "exception", "stalled", "connection cut")
ALTERNATING = ("exception", "stalled", "connection cut")
SUCCESSORS = ("the same process", "another replica", "another version")
AT_ONCE = 8
FULL = bool(os.environ.get("FULL"))


async def walk(people: People, outside: Outside, flow: Flow) -> set[str]:
    """Run every case of a flow; returns the names of the points visited. Fails with the cases that end wrong."""
    await people.webhooks("drop")
    points = await points_of(flow, lambda: new_case(people, outside, flow))
    cases = [case for fault in FAULTS for case in cases_of(struck(points, fault, FULL), fault)]
    room, visited, wrong = asyncio.Semaphore(AT_ONCE), set[str](), list[str]()

    async def one(point: Point, fault: str, successor: str) -> None:
        async with room:
            case = await new_case(people, outside, flow)
            try:
                visited.update(await run(flow, case, point, fault, successor))
            except Exception as error:
                wrong.append(f"{fault} at {point}, then {successor}: {type(error).__name__}: {error}")
            finally:
                await case.end()

    await asyncio.gather(*(one(*case) for case in cases))
    print(f"{flow.name}: {len(struck(points, 'exception', FULL))} points, {len(cases)} cases")
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong[:20])
    return visited


def cases_of(points: Sequence[Point], fault: str) -> list[tuple[Point, str, str]]:
    """Each point with each successor under FULL=1.

    Otherwise the successors take turns, another first for each fault. An exception, a stall and a cut connection take turns.
    """
    if FULL:
        return [(point, fault, successor) for point in points for successor in SUCCESSORS]
    first = FAULTS.index(fault)
    turns = [(point, fault, SUCCESSORS[(first + n) % len(SUCCESSORS)]) for n, point in enumerate(points)]
    if fault in ALTERNATING:
        return turns[ALTERNATING.index(fault) :: len(ALTERNATING)]
    return turns


async def new_case(people: People, outside: Outside, flow: Flow) -> Case:
    """Somebody who teaches what the flow sells, and a new student."""
    if enroll in flow.stimuli:
        course = await people.course(seats=1)
        return Case(people, outside, student=uuid4(), tutor=UUID(course.instructor_id), course=course.id)
    return Case(people, outside, student=uuid4(), tutor=await people.tutor())
