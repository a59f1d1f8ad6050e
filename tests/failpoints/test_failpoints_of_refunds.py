"""Refunds that are refused or fail later: whatever fails wherever, the flow ends as it must."""

from __future__ import annotations

import pytest

from tests.failpoints.actors import Outside
from tests.failpoints.boundaries import refund_points
from tests.failpoints.cases import Flow
from tests.failpoints.refunds import REFUND_FLOWS
from tests.failpoints.walk import walk
from tests.people import People

visited: set[str] = set()


@pytest.mark.parametrize("flow", REFUND_FLOWS, ids=lambda flow: flow.name)
async def test_29_30_whatever_fails_wherever_the_flow_ends_as_it_must(
    people: People, shared: Outside, flow: Flow
) -> None:
    visited.update(await walk(people, shared, flow))


def test_every_failpoint_there_is_was_visited() -> None:
    print(f"{len(visited)} failpoints visited")
    assert sorted(refund_points() - visited) == []
