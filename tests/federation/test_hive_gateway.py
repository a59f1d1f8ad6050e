"""Subscriptions through Hive Gateway, set up as docs/graphql.md says."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest_asyncio

from bff.graphql.schema import sdl
from tests.federation.conftest import ROOT, SECONDS, running
from tests.people import People, lesson_time
from tests.world import World

WATCH = """subscription($id: ID!) { bookingUpdated(bookingId: $id) {
  status payment { amount { display } } course { title } } }"""


def transports() -> str:
    """What the page gives to `transportEntries`."""
    page = (ROOT / "docs" / "graphql.md").read_text()
    (shown,) = re.findall(r"^  transportEntries: (\{.*?^  \}),$", page, re.DOTALL | re.MULTILINE)
    assert json.loads(shown)
    return str(shown)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hive(world: World) -> AsyncIterator[httpx.AsyncClient]:
    names = json.dumps(list(sdl.subgraphs()))
    async with (
        running("hive.mjs", world.bff_url, names, transports()) as address,
        httpx.AsyncClient(base_url=address, timeout=SECONDS) as http,
    ):
        yield http


@asynccontextmanager
async def watching(hive: httpx.AsyncClient, token: str, booking: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """The events of a person's subscription, as they come."""
    headers = {"authorization": f"Bearer {token}", "accept": "text/event-stream"}
    body = {"query": WATCH, "variables": {"id": booking}}

    async def events(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
        async for line in answer.aiter_lines():
            if line.startswith("data: {"):
                yield json.loads(line.removeprefix("data: "))

    async with hive.stream("POST", "/graphql", json=body, headers=headers) as answer:
        yield events(answer)


async def test_a_booking_is_watched_through_hive_gateway_and_events_have_fields_of_other_subgraphs(
    world: World, people: People, hive: httpx.AsyncClient
) -> None:
    tutor = await people.tutor()
    course = await people.course(instructor_id=str(tutor), title="Fractions", seats=7)
    booked = await people.booked(tutor, lesson_time(), course_id=course.id)
    token = world.token("student", subject=booked.student)
    known = {"payment": {"amount": {"display": "$50.00"}}, "course": {"title": "Fractions"}}
    async with asyncio.timeout(SECONDS), watching(hive, token, booked.booking) as events:
        assert await anext(events) == {"data": {"bookingUpdated": {"status": "PAYMENT_REQUIRED", **known}}}
        await people.pay(booked.intent)
        async for event in events:
            if event["data"]["bookingUpdated"]["status"] == "CONFIRMED":
                break
        assert event["data"]["bookingUpdated"] == {"status": "CONFIRMED", **known}
        async with watching(hive, world.token("student", subject=uuid4()), booked.booking) as others:
            told = await anext(others)
        assert told["errors"] and not told.get("data")
