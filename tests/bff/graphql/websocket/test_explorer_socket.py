"""Subscriptions of the explorer: its own script against a live edge."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bff.app import build
from bff.peers import Peers
from bff.settings import Settings
from mesh.identity import Verifier
from tests.bff.live import UPDATED, served
from tests.bff.node import run

FOLLOW = """
const heard = [];
const stop = socket.subscribe(given.url, given.token, given.operation, {
  heard(answer) { heard.push(answer); if (given.stops) stop(); },
  ended(why, isBad, code) {
    console.log(JSON.stringify({ heard, why, isBad, isForbidden: code === socket.FORBIDDEN }));
    process.exit(0);
  },
});
"""


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_subscription_runs_until_it_is_stopped_and_one_without_a_token_is_refused(
    peers: Peers,
    verifier: Verifier,
    edge_settings: Settings,
    watched: asyncio.Event,
    student: Any,
    lesson: Any,
    is_known: bool,
) -> None:
    operation = {"query": UPDATED, "variables": {"id": lesson.booking_id}}
    async with served(build(peers, verifier), edge_settings) as address:
        given = {"url": f"ws://{address}/graphql", "operation": operation, "stops": True}
        told = await run(FOLLOW, **given, token=student.token if is_known else "")
        if not is_known:
            assert (told["heard"], told["isBad"], told["isForbidden"]) == ([], True, True)
            assert told["why"] == "closed: a token must be given (4403)"
            return
        await asyncio.wait_for(watched.wait(), 10)
    (answer,) = told["heard"]
    assert answer["data"]["bookingUpdated"] == {"id": lesson.booking_id, "status": "CONFIRMED"}
    assert (told["why"], told["isBad"]) == ("stopped", False)


async def test_a_refused_subscription_shows_its_errors(
    peers: Peers, verifier: Verifier, edge_settings: Settings, script: Any, student: Any
) -> None:
    operation = {"query": "subscription { nothing }", "variables": {}}
    async with served(build(peers, verifier), edge_settings) as address:
        told = await run(FOLLOW, url=f"ws://{address}/graphql", operation=operation, token=student.token)
    (answer,) = told["heard"]
    assert "Cannot query field" in answer["errors"][0]["message"] and told["isBad"]
