"""WebSockets: what one person can hold, who gives way when there are too many, and what queries need not wait for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from websockets.exceptions import InvalidStatus

from bff.app import build
from bff.graphql.websocket import connection
from bff.graphql.websocket.connection import MAX_OPERATIONS, MAX_REFUSED
from bff.graphql.websocket.limits import MAX_SUBSCRIPTIONS_PER_PERSON, ConnectionLimits, FairLimit
from bff.http.rate_limits import RateLimited, RateLimiter
from mesh.errors import Overloaded
from tests.bff.conftest import NOTHING
from tests.bff.live import Listener, listening, served
from tests.people import wait_until

QUERY = {"query": "{ __typename }"}
BOOKING = {"query": 'query { booking(id: "00000000-0000-4000-8000-000000000001") { id } }'}


class People:
    """Who holds something until they leave or have to give way."""

    def __init__(self, limit: FairLimit) -> None:
        self.limit = limit
        self.holds: list[tuple[int, asyncio.Task[None]]] = []

    async def come(self, *people: int) -> None:
        """So many more, one by one."""
        for person in people:
            self.holds.append((person, asyncio.ensure_future(self._hold(person))))
            for _ in range(5):
                await asyncio.sleep(0)

    async def _hold(self, person: int) -> None:
        async with self.limit.hold(UUID(int=person)):
            await asyncio.Event().wait()

    def ended(self) -> list[tuple[int, type[BaseException]]]:
        """Who no longer holds what they came for, and what they were told."""
        done = [(person, task) for person, task in self.holds if task.done() and not task.cancelled()]
        return [(person, type(task.exception())) for person, task in done]

    async def leave(self) -> None:
        for _, task in self.holds:
            task.cancel()
        await asyncio.gather(*(task for _, task in self.holds), return_exceptions=True)


async def test_61_at_the_limit_the_oldest_of_whoever_has_most_gives_way() -> None:
    people = People(FairLimit("things", 5, 4))
    await people.come(1, 1, 1, 1, 2)
    assert people.ended() == []
    await people.come(2)
    assert people.ended() == [(1, Overloaded)]
    assert people.holds[0][1].done()
    await people.come(3)
    assert people.ended() == [(1, Overloaded)] * 2
    await people.come(2)  # nobody has more than they would have
    assert people.ended() == [(1, Overloaded)] * 2 + [(2, Overloaded)]
    assert people.limit.taken == 5
    await people.leave()
    assert (people.limit.taken, people.limit._people) == (0, {})


async def test_61_when_everybody_has_one_the_newcomer_is_refused() -> None:
    people = People(FairLimit("things", 3, 4))
    await people.come(1, 2, 3, 4)
    assert people.ended() == [(4, Overloaded)]
    await people.leave()
    assert (people.limit.taken, people.limit._people) == (0, {})


async def test_61_one_person_has_only_so_many() -> None:
    people = People(FairLimit("things", 5, 2))
    await people.come(1, 1, 1)
    assert people.ended() == [(1, RateLimited)]
    people.holds[0][1].cancel()
    await asyncio.wait([people.holds[0][1]])
    await people.come(1, 1)
    assert people.ended() == [(1, RateLimited)] * 2
    await people.leave()
    assert (people.limit.taken, people.limit._people) == (0, {})


async def test_a_time_out_within_the_block_is_not_giving_way() -> None:
    with pytest.raises(TimeoutError):
        async with FairLimit("things", 1, 1).hold(UUID(int=1)):
            raise TimeoutError


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ConnectionLimits]:
    """`limits(max_connections=3)`: an edge that is built from now on has these."""

    def limited(**options: Any) -> ConnectionLimits:
        made = ConnectionLimits(**options)
        monkeypatch.setattr("bff.app.ConnectionLimits", lambda: made)
        return made

    return limited


async def test_61_each_person_and_the_process_have_a_connection_limit(
    peers: Any,
    verifier: Any,
    script: Any,
    edge_settings: Any,
    make_person: Callable[..., Any],
    limits: Callable[..., ConnectionLimits],
) -> None:
    held = limits(max_connections=2, max_per_person=2, max_unknown=2)
    one, other, third = (make_person("student") for _ in range(3))
    async with served(build(peers, verifier), edge_settings) as at:
        async with listening(at, one.token) as first, listening(at, one.token) as second:
            async with listening(at) as another:
                await another.say("connection_init", payload={"Authorization": f"Bearer {one.token}"})
                assert await another.closed() == (1013, "at most 2 connections each")
            async with listening(at, other.token) as newcomer:
                assert (await first.closed())[0] == 1013  # whoever has most gives way
                async with listening(at) as late:
                    await late.say("connection_init", payload={"Authorization": f"Bearer {third.token}"})
                    assert (await late.closed())[0] == 1013
                for kept in (second, newcomer):
                    await kept.say("ping")
                    assert (await kept.heard())["type"] == "pong"
                async with listening(at), listening(at):
                    with pytest.raises(InvalidStatus) as full:
                        async with listening(at):
                            pass
                    assert full.value.response.status_code == 503

        async def taken() -> int:
            return held.connections.taken

        assert await wait_until(taken, lambda count: count == 0) == 0
    assert (held.people.taken, held.people._people) == (0, {})


async def test_61_subscriptions_of_five_accounts_leave_room_for_a_sixth(
    peers: Any,
    verifier: Any,
    script: Any,
    edge_settings: Any,
    watched: Any,
    lesson: Any,
    make_person: Callable[..., Any],
    limits: Callable[..., ConnectionLimits],
) -> None:
    held = limits(subscriptions=FairLimit("subscriptions", 10, 2))
    async with served(build(peers, verifier), edge_settings) as at, contextlib.AsyncExitStack() as stack:
        greedy = [await stack.enter_async_context(listening(at, make_person("student").token)) for _ in range(5)]
        for one in greedy:
            for id in "ab":
                await one.subscribe(lesson.booking_id, id)
                await one.status(id)
            await one.subscribe(lesson.booking_id, "c")
            assert (await one.refused("c"))["code"] == "RATE_LIMITED"
        assert held.subscriptions.taken == 10
        sixth = await stack.enter_async_context(listening(at, make_person("student").token))
        await sixth.subscribe(lesson.booking_id)
        assert await sixth.status() == "CONFIRMED"
        assert (await greedy[0].refused("a"))["code"] == "UNAVAILABLE"
        await sixth.subscribe(lesson.booking_id, "2")  # one would have two, as everybody else
        assert (await sixth.refused("2"))["code"] == "UNAVAILABLE"

    async def taken() -> int:
        return held.subscriptions.taken

    assert await wait_until(taken, lambda count: count == 0) == 0


async def test_61_subscriptions_of_a_person_count_together_and_take_nothing_from_queries(
    peers: Any, verifier: Any, script: Any, edge_settings: Any, watched: Any, lesson: Any, student: Any
) -> None:
    assert MAX_SUBSCRIPTIONS_PER_PERSON >= MAX_OPERATIONS
    async with (
        served(build(peers, verifier), edge_settings) as at,
        listening(at, student.token) as listener,
        listening(at, student.token) as other,
    ):
        for number in range(MAX_SUBSCRIPTIONS_PER_PERSON):
            await listener.subscribe(lesson.booking_id, f"s{number}")
            await listener.status(f"s{number}")
        for one in (listener, other):
            await one.subscribe(lesson.booking_id, "more")
            assert (await one.refused("more"))["code"] == "RATE_LIMITED"
            await one.say("subscribe", id="q", payload=QUERY)
            assert (await one.heard())["payload"] == {"data": {"__typename": "Query"}}
            assert (await one.heard())["type"] == "complete"
        await listener.say("complete", id="s0")
        await listener.say("subscribe", id="q", payload=QUERY)
        assert [(await listener.heard())["type"] for _ in range(2)] == ["next", "complete"]
        await other.subscribe(lesson.booking_id, "more")
        assert await other.status("more") == "CONFIRMED"


@pytest.fixture
def hanging(script: Any) -> asyncio.Event:
    """Reads of bookings wait for this event."""
    go = asyncio.Event()

    async def wait(_: object) -> Any:
        await go.wait()
        return NOTHING["BatchGetBookings"]

    script.answers["BatchGetBookings"] = wait
    return go


async def test_a_connection_runs_only_so_many_queries_at_once(
    peers: Any,
    verifier: Any,
    script: Any,
    edge_settings: Any,
    student: Any,
    hanging: asyncio.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "MAX_OPERATIONS", 2)
    async with served(build(peers, verifier), edge_settings) as at, listening(at, student.token) as listener:
        for id in "abc":
            await listener.say("subscribe", id=id, payload=BOOKING)
        assert (await listener.refused("c"))["code"] == "RATE_LIMITED"
        hanging.set()
        assert {(await listener.heard())["id"] for _ in range(4)} == {"a", "b"}
        await listener.say("subscribe", id="d", payload=QUERY)
        assert (await listener.heard())["type"] == "next"


async def flood(listener: Listener, count: int) -> None:
    for number in range(count):
        await listener.say("subscribe", id=str(number), payload=QUERY)


async def test_61_a_connection_that_goes_on_when_it_is_refused_is_closed(
    peers: Any, verifier: Any, script: Any, edge_settings: Any, student: Any
) -> None:
    still = RateLimiter(clock=lambda: 0.0)
    async with served(build(peers, verifier, still), edge_settings) as at, listening(at, student.token) as listener:
        still.charge(UUID(student.id), 99)
        await flood(listener, MAX_REFUSED)
        assert [(await listener.heard())["type"] for _ in range(MAX_REFUSED)] == ["error"] * MAX_REFUSED
        still.charge(UUID(student.id), -1)
        await listener.say("ping")  # one that is within the rate begins the count anew
        assert (await listener.heard())["type"] == "pong"
        await flood(listener, MAX_REFUSED + 1)
        assert [(await listener.heard())["type"] for _ in range(MAX_REFUSED)] == ["error"] * MAX_REFUSED
        assert (await listener.closed())[0] == 4429
