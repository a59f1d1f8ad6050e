"""The edge at its limit of requests: 503 with Retry-After, before anything of the request is read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from starlette.types import Receive, Scope, Send

from bff.http.middleware import ConcurrencyLimitMiddleware
from devkit.ports import reserve_port
from mesh.errors import Overloaded
from payment_svc.engine import engine
from tests.people import People, lesson_time, wait_until
from tests.world import World, _http


class Slow:
    """An application that answers when `go` is set."""

    def __init__(self) -> None:
        self.inside, self.go = 0, asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] not in ("/healthz", "/readyz"):
            self.inside += 1
            await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


@pytest_asyncio.fixture(loop_scope="session")
async def edge() -> AsyncIterator[tuple[Slow, httpx.AsyncClient]]:
    """A real HTTP server whose limit is two requests, before a slow application."""
    slow, port = Slow(), reserve_port()
    async with (
        _http(ConcurrencyLimitMiddleware(slow, max_requests=2), port, lifespan="off"),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client,
    ):
        yield slow, client
        slow.go.set()


async def test_beyond_its_requests_the_edge_answers_503_with_retry_after_and_then_takes_more(
    edge: tuple[Slow, httpx.AsyncClient],
) -> None:
    slow, client = edge
    inside = [asyncio.create_task(client.post("/graphql", json={})) for _ in range(2)]

    async def how_many() -> int:
        return slow.inside

    await wait_until(how_many, lambda number: number == 2)
    for path in ("/graphql", "/webhooks/stripe"):
        answer = await client.post(path, json={"query": "{ __typename }"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        (error,) = answer.json()["errors"]
        assert error["extensions"] == {"code": "UNAVAILABLE", "retryAfterMs": 1000}
    assert (await client.get("/healthz")).status_code == 200
    assert slow.inside == 2
    slow.go.set()
    assert [answer.status_code for answer in await asyncio.gather(*inside)] == [200, 200]
    assert (await client.post("/graphql", json={})).status_code == 200


async def test_graphql_says_when_to_ask_again_what_could_not_be_answered_now(world: World, people: People) -> None:
    headers = {"Authorization": f"Bearer {world.token('student', subject=uuid4())}"}
    query = {"query": "{ getPaymentHistory { nodes { id } } }"}
    async with world.without_payment_database():

        async def ask() -> dict[str, Any]:
            return dict((await people.http.post(f"{world.bff_url}/graphql", json=query, headers=headers)).json())

        answer = await wait_until(ask, lambda body: "errors" in body)
        (error,) = answer["errors"]
    assert error["extensions"] == {"code": "UNAVAILABLE", "retryAfterMs": 1000}


async def test_a_payment_service_that_drives_all_it_may_begins_nothing_and_loses_nothing(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    tutor, student = await people.tutor(), uuid4()
    booked = await people.booked(tutor, lesson_time(hour=8))
    monkeypatch.setattr(engine, "MOST_RUNS", 0)
    with pytest.raises(Overloaded):
        await people.book(tutor, lesson_time(), student)
    assert await people.world.sql("payment", "select id from saga where student_id = $1", student) == []
    await people.pay(booked.intent)  # its event is stored until a process has capacity
    await people.until_state(booked.saga, "COMPLETED")
    monkeypatch.undo()
    assert (await people.book(tutor, lesson_time(), student)).saga_state == "AWAITING_PAYMENT"
