"""Places in courses, and engines that call back: whatever fails wherever, the flow ends as it must."""

from __future__ import annotations

import pytest

from tests.failpoints.actors import Outside
from tests.failpoints.boundaries import catalogue, lesson_points, refund_points
from tests.failpoints.callbacks import CALLBACK_FLOWS
from tests.failpoints.cases import Flow
from tests.failpoints.flows import SEAT_FLOWS
from tests.failpoints.walk import walk
from tests.people import People

visited: set[str] = set()


@pytest.mark.parametrize("flow", SEAT_FLOWS + CALLBACK_FLOWS, ids=lambda flow: flow.name)
async def test_29_30_whatever_fails_wherever_the_flow_ends_as_it_must(
    people: People, shared: Outside, flow: Flow
) -> None:
    visited.update(await walk(people, shared, flow))


def test_every_failpoint_there_is_was_visited() -> None:
    print(f"{len(visited)} failpoints visited")
    assert sorted(catalogue() - lesson_points() - refund_points() - visited) == []
