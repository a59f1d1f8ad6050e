"""What one caller has in flight is bounded, and nothing is done for a client that has gone or is too late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from bff.app import build
from bff.graphql import endpoint
from bff.graphql.operations import Operations
from bff.http import bodies
from bff.http.in_flight import MAX_IN_CROWD, MAX_IN_FLIGHT, MAX_RUNNING, InFlightLimit
from bff.http.middleware import RequestMiddleware
from bff.http.rate_limits import RateLimited, RateLimiter
from bff.webhooks import WebhookEndpoint
from mesh import calls
from mesh.calls import Call
from mesh.errors import TryAgain
from tests.bff.conftest import NOTHING
from tests.bff.live import listening, served
from tests.people import wait_until
from tests.scraped import own

BOOKING = {"query": '{ booking(id: "00000000-0000-4000-8000-000000000001") { id } }'}
NAME = {"query": "{ __typename }"}
#: A request of each kind that is read before it is answered.
REQUESTS = [
    ("POST", "/graphql", b'{"query": "{ __typename }"}'),
    ("GET", "/graphql?query={__typename}", b""),
    ("POST", "/subgraphs/bookings", b'{"query": "{ __typename }"}'),
    ("POST", "/api/v1/bookings", b"{}"),
]


class Crowd:
    """Requests that run until they are let go."""

    def __init__(self, limit: InFlightLimit) -> None:
        self.limit, self.running, self.go = limit, list[str](), asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []

    async def request(self, caller: str) -> None:
        async with self.limit.turn(caller):
            self.running.append(caller)
            await self.go.wait()
            self.running.remove(caller)

    async def come(self, *callers: str) -> None:
        self.tasks += [asyncio.ensure_future(self.request(caller)) for caller in callers]
        for _ in range(5):
            await asyncio.sleep(0)

    async def end(self) -> list[Any]:
        """What became of each request. None is left behind."""
        self.go.set()
        ends = await asyncio.gather(*self.tasks, return_exceptions=True)
        assert (self.limit.total, self.limit._lines) == (0, {})
        return [end for end in ends if end is not None]


async def test_61_of_one_caller_few_run_at_once_and_the_others_wait_for_their_turn() -> None:
    crowd = Crowd(InFlightLimit(max_running=2, max_in_flight=4))
    await crowd.come("a", "a", "a", "a", "a", "b")
    assert sorted(crowd.running) == ["a", "a", "b"]
    assert [type(end) for end in await crowd.end()] == [RateLimited]


async def test_61_when_many_are_in_flight_a_caller_has_fewer_places_and_another_gets_in() -> None:
    crowd = Crowd(InFlightLimit(max_running=9, max_in_flight=9, crowd=9, max_in_crowd=2))
    await crowd.come(*"aaaaaaaaa", *"bbb", *"c")
    assert (crowd.running.count("a"), crowd.running.count("b"), crowd.running.count("c")) == (9, 2, 1)
    assert [type(end) for end in await crowd.end()] == [RateLimited]


async def test_59_who_waits_longer_than_the_deadline_does_not_run() -> None:
    crowd = Crowd(InFlightLimit(max_running=1))
    await crowd.come("a")
    calls.enter(Call("id", deadline=asyncio.get_running_loop().time() + 0.01))
    with pytest.raises(TryAgain):
        await crowd.request("a")
    assert await crowd.end() == []
    with pytest.raises(TryAgain):  # and the deadline is still over when there is a place
        await crowd.request("a")
    assert await crowd.end() == []


async def test_a_wait_that_is_cancelled_leaves_its_place() -> None:
    crowd = Crowd(InFlightLimit(max_running=1))
    await crowd.come("a", "a", "a")
    crowd.tasks[1].cancel()
    assert [type(end) for end in await crowd.end()] == [asyncio.CancelledError]


@pytest.fixture
def hanging(script: Any) -> asyncio.Event:
    """Reads of bookings wait for this event."""
    go = asyncio.Event()

    async def wait(_: object) -> Any:
        await go.wait()
        return NOTHING["BatchGetBookings"]

    script.answers["BatchGetBookings"] = wait
    return go


async def until_done(tasks: list[asyncio.Task[str]], count: int) -> None:
    """Waits until so many of the tasks are done."""

    async def done() -> int:
        return sum(task.done() for task in tasks)

    await wait_until(done, lambda number: number >= count)


async def test_61_one_person_holds_only_so_many_places_of_the_edge(
    peers: Any, verifier: Any, script: Any, hanging: asyncio.Event, make_person: Callable[..., Any]
) -> None:
    one, others = make_person("student"), [make_person("student") for _ in range(3)]
    transport = httpx.ASGITransport(app=build(peers, verifier, RateLimiter(burst=10_000)))
    async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as client:

        async def ask(person: Any) -> str:
            answer = await client.post("/graphql", json=BOOKING, headers=person.headers())
            return str(answer.json()["errors"][0]["extensions"]["code"])

        greedy = [asyncio.ensure_future(ask(one)) for _ in range(200)]
        await until_done(greedy, 200 - MAX_IN_FLIGHT)
        late = [asyncio.ensure_future(ask(person)) for person in others for _ in range(MAX_IN_CROWD + 1)]
        await until_done(late, len(others))

        async def asked() -> int:
            return len(script.asked("BatchGetBookings"))

        at_once = MAX_RUNNING + len(others) * MAX_IN_CROWD
        assert await wait_until(asked, lambda count: count >= at_once) == at_once
        hanging.set()
        codes = await asyncio.gather(*greedy), await asyncio.gather(*late)
    assert [told.count("RATE_LIMITED") for told in codes] == [200 - MAX_IN_FLIGHT, len(others)]
    assert [told.count("NOT_FOUND") for told in codes] == [MAX_IN_FLIGHT, len(others) * MAX_IN_CROWD]


async def test_61_what_a_person_has_in_flight_counts_over_sockets_and_requests_together(
    peers: Any, verifier: Any, script: Any, edge_settings: Any, hanging: asyncio.Event, student: Any
) -> None:
    async with (
        served(build(peers, verifier, RateLimiter(burst=10_000)), edge_settings) as at,
        listening(at, student.token, max_queue=None) as listener,
        httpx.AsyncClient(base_url=f"http://{at}") as client,
    ):
        for number in range(MAX_RUNNING):
            await listener.say("subscribe", id=str(number), payload=BOOKING)

        async def asked() -> int:
            return len(script.asked("BatchGetBookings"))

        await wait_until(asked, lambda count: count == MAX_RUNNING)
        waiting = asyncio.create_task(client.post("/graphql", json=BOOKING, headers=student.headers()))
        anybody = await client.post("/graphql", json=NAME)
        assert anybody.json() == {"data": {"__typename": "Query"}}
        assert await asked() == MAX_RUNNING
        hanging.set()
        assert (await waiting).status_code == 200


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bodies that the edge has begun to parse."""
    texts: list[bytes] = []

    def note(text: bytes) -> Any:
        texts.append(text)
        return {}

    monkeypatch.setattr(endpoint, "parse_operation", note)
    monkeypatch.setattr(endpoint, "parse_parameters", note)
    monkeypatch.setattr(bodies, "parse_json_exactly", note)
    return texts


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
async def test_59_nothing_is_parsed_for_a_client_that_has_gone(
    peers: Any,
    verifier: Any,
    script: Any,
    edge_settings: Any,
    student: Any,
    parsed: list[bytes],
    method: str,
    path: str,
    body: bytes,
) -> None:
    head = f"{method} {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {student.token}\r\n".encode()
    request = head + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    labels = {"route": path.partition("?")[0], "method": method, "status": "499"}
    before = own()
    async with served(build(peers, verifier), edge_settings) as at:
        host, _, port = at.partition(":")
        for _ in range(20):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(request)
            writer.close()

        async def count() -> float:
            name = "tutormesh_bff_requests_total"
            return own().value(name, **labels) - before.value(name, **labels)

        assert await wait_until(count, lambda counted: counted == 20)
    assert not parsed


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
async def test_59_nothing_is_parsed_once_the_deadline_has_passed(
    http: httpx.AsyncClient,
    student: Any,
    parsed: list[bytes],
    method: str,
    path: str,
    body: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bff.http.middleware.REQUEST_SECONDS", 0.0)
    headers = student.headers() | {"content-type": "application/json"}
    answer = await http.request(method, path, content=body, headers=headers)
    assert "TRY_AGAIN" in answer.text or "UNAVAILABLE" in answer.text
    assert not parsed


async def test_59_a_document_on_a_socket_is_not_read_once_the_deadline_has_passed(
    peers: Any, verifier: Any, script: Any, edge_settings: Any, student: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bff.graphql.websocket.connection.ANSWER_SECONDS", 0.0)
    monkeypatch.setattr(Operations, "read", None)  # it would raise
    async with served(build(peers, verifier), edge_settings) as at, listening(at, student.token) as listener:
        await listener.say("subscribe", id="1", payload=NAME)
        assert (await listener.refused())["code"] == "UNAVAILABLE"


async def test_61_webhooks_of_one_address_leave_places_for_others(peers: Any, script: Any) -> None:
    """A webhook that finds no place is not stored: 503, and Stripe sends it again."""
    endpoint = WebhookEndpoint(peers, InFlightLimit(max_running=1, max_in_flight=1))
    go = asyncio.Event()

    async def wait(_: object) -> Any:
        await go.wait()
        raise TryAgain

    script.answers["HandleStripeWebhook"] = wait
    app = RequestMiddleware(Starlette(routes=[Route("/webhooks/stripe", endpoint.post, methods=["POST"])]))

    async def post(host: str) -> int:
        transport = httpx.ASGITransport(app=app, client=(host, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as client:
            return (await client.post("/webhooks/stripe", content=b"{}")).status_code

    async def asked() -> int:
        return len(script.asked("HandleStripeWebhook"))

    first = asyncio.ensure_future(post("192.0.2.1"))
    await wait_until(asked, lambda count: count == 1)
    assert await post("192.0.2.1") == 503
    other = asyncio.ensure_future(post("192.0.2.2"))
    await wait_until(asked, lambda count: count == 2)
    go.set()
    assert [await first, await other] == [503, 503]
