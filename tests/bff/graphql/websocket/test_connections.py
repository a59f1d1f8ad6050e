"""graphql-transport-ws at /graphql: the protocol's rules, its close codes, and the edge's limits."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
import pytest_asyncio
from websockets.exceptions import InvalidStatus

from bff.app import build
from bff.graphql.websocket import connection
from bff.http.rate_limits import RateLimiter
from bff.settings import Options
from mesh.errors import NotFound, TryAgain
from tests.bff.live import Listener, listening, served
from tutormesh.booking.v1 import booking_pb2

PAGE = "https://app.example.org"
QUERY = {"query": "{ __typename }"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def address(peers: Any, verifier: Any, edge_settings: Any) -> AsyncIterator[str]:
    async with served(build(peers, verifier, options=Options(cors_origins=(PAGE,))), edge_settings) as at:
        yield at


@pytest_asyncio.fixture
async def listener(address: str, script: Any, student: Any) -> AsyncIterator[Listener]:
    async with listening(address, student.token) as introduced:
        yield introduced


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "JSON object"),
        ("5", "JSON object"),
        ("[" * 50_000, "not JSON"),
        ("{}", "type"),
        ('{"type": "start"}', "type"),
        ('{"type": "next", "id": "1"}', "type"),
        ('{"type": 5}', "type"),
        ('{"type": "ping", "payload": []}', "payload"),
        ('{"type": "ping", "payload": {"n": 1e999}}', "not JSON"),
        ('{"type": "connection_init", "payload": "token"}', "payload"),
        ('{"type": "complete"}', "id"),
        ('{"type": "subscribe", "payload": {"query": "{ __typename }"}}', "id"),
        ('{"type": "subscribe", "id": "", "payload": {"query": "{ __typename }"}}', "id"),
        ('{"type": "subscribe", "id": "1"}', "JSON object"),
        ('{"type": "subscribe", "id": "1", "payload": {}}', "query"),
        ('{"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "variables": []}}', "variables"),
        (b'{"type": "ping"}', "text"),
    ],
)
async def test_an_invalid_message_closes_with_4400(address: str, script: Any, text: Any, says: str) -> None:
    async with listening(address) as listener:
        await listener.socket.send(text)
        code, reason = await listener.closed()
    assert code == 4400
    assert says in reason


async def test_subscribing_before_connection_init_closes_with_4401(address: str, script: Any) -> None:
    async with listening(address) as listener:
        await listener.say("subscribe", id="1", payload=QUERY)
        assert await listener.closed() == (4401, "Unauthorized")


@pytest.mark.parametrize("payload", [None, {}, {"Authorization": "Bearer nonsense"}, {"Authorization": 5}])
async def test_connection_init_without_a_valid_token_closes_with_4403(address: str, script: Any, payload: Any) -> None:
    async with listening(address) as listener:
        await listener.say("connection_init", payload=payload)
        assert (await listener.closed())[0] == 4403


async def test_the_token_may_come_in_the_upgrades_header(address: str, script: Any, student: Any) -> None:
    async with listening(address, additional_headers=student.headers()) as listener:
        await listener.say("connection_init")
        assert await listener.heard() == {"type": "connection_ack"}


async def test_a_connection_without_connection_init_in_time_closes_with_4408(
    address: str, script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "INIT_SECONDS", 0.05)
    async with listening(address) as listener:
        assert await listener.closed() == (4408, "Connection initialisation timeout")


async def test_a_second_connection_init_closes_with_4429(listener: Listener) -> None:
    await listener.say("connection_init")
    assert await listener.closed() == (4429, "Too many initialisation requests")


async def test_an_id_in_use_closes_with_4409(listener: Listener, watched: Any, lesson: Any) -> None:
    await listener.subscribe(lesson.booking_id)
    await listener.status()
    await listener.subscribe(lesson.booking_id)
    assert await listener.closed() == (4409, "Subscriber for 1 already exists")
    await asyncio.wait_for(watched.wait(), 5)


@pytest.mark.parametrize("subprotocols", [None, ["graphql-ws"]])
async def test_another_subprotocol_closes_with_4406(address: str, subprotocols: Any) -> None:
    async with listening(address, subprotocols=subprotocols) as listener:
        assert await listener.closed() == (4406, "Subprotocol not acceptable")


async def test_a_token_that_expires_closes_the_connection(
    address: str, watched: Any, lesson: Any, student: Any, token_signer: Any
) -> None:
    claims = jwt.decode(student.token, options={"verify_signature": False}) | {"exp": int(time.time()) + 2}
    brief = jwt.encode(claims, token_signer.key, "ES256", headers={"kid": token_signer.kid})
    async with listening(address, brief) as listener:
        await listener.subscribe(lesson.booking_id)
        await listener.status()
        assert await listener.closed() == (4403, "The token has expired")
    await asyncio.wait_for(watched.wait(), 5)


async def test_a_ping_is_answered_with_its_payload(address: str, script: Any, listener: Listener) -> None:
    await listener.say("ping", payload={"n": 1})
    assert await listener.heard() == {"type": "pong", "payload": {"n": 1}}
    await listener.say("pong")
    await listener.say("ping")
    assert await listener.heard() == {"type": "pong"}
    async with listening(address) as unknown:
        await unknown.say("ping")
        assert await unknown.heard() == {"type": "pong"}


async def test_queries_are_answered_too(listener: Listener) -> None:
    await listener.say("subscribe", id="q", payload=QUERY)
    assert await listener.heard() == {"type": "next", "id": "q", "payload": {"data": {"__typename": "Query"}}}
    assert await listener.heard() == {"type": "complete", "id": "q"}


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("{", "Syntax Error"),
        ("subscription { nothing }", "nothing"),
        ("subscription { bookingUpdated { id } }", "bookingId"),
        ("{" + "a {" * 12 + "b" + "}" * 13, "deeper than 12"),
        (
            'subscription { a: bookingUpdated(bookingId: "1") { id } b: bookingUpdated(bookingId: "2") { id } }',
            "only one",
        ),
        (
            'subscription { bookingUpdated(bookingId: "1") {' + " ".join(f"a{n}: id" for n in range(50)) + "} }",
            "aliases",
        ),
        ('subscription { bookingUpdated(bookingId: "1") { ' + "timeline { at } " * 60 + "} }", "costs"),
        ("subscription($id: ID!) { bookingUpdated(bookingId: $id) { id } }", "$id"),
    ],
)
async def test_49_a_bad_or_costly_operation_is_refused_before_anything_runs(
    listener: Listener, script: Any, query: str, says: str
) -> None:
    await listener.say("subscribe", id="1", payload={"query": query})
    message = await listener.heard()
    assert message["type"] == "error"
    assert {error["extensions"]["code"] for error in message["payload"]} == {"BAD_USER_INPUT"}
    assert says in str(message["payload"])
    assert not script.seen


@pytest.mark.parametrize(("refusal", "code"), [(NotFound(), "NOT_FOUND"), (RuntimeError("sql"), "INTERNAL")])
async def test_a_booking_that_cannot_be_watched_is_a_typed_error(
    listener: Listener, script: Any, lesson: Any, refusal: Exception, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bff.graphql.booking_watch.FIRST_ANSWER_SECONDS", 0.0)
    script.answers["WatchBooking"] = refusal
    await listener.subscribe(lesson.booking_id)
    error = await listener.refused()
    assert error["code"] == code
    assert "sql" not in error["message"]
    await listener.say("subscribe", id="1", payload=QUERY)  # the connection and the id are free for more
    assert (await listener.heard())["type"] == "next"


async def test_a_service_that_is_away_is_unavailable_in_time(
    listener: Listener, script: Any, lesson: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bff.graphql.booking_watch.FIRST_ANSWER_SECONDS", 0.2)
    script.answers["WatchBooking"] = TryAgain()
    await listener.subscribe(lesson.booking_id)
    assert (await listener.refused())["code"] == "UNAVAILABLE"
    assert len(script.asked("WatchBooking")) > 1


async def test_a_stream_without_a_first_message_is_unavailable(
    listener: Listener, script: Any, lesson: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silence(_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("bff.graphql.booking_watch.FIRST_MESSAGE_SECONDS", 0.1)
    monkeypatch.setattr("bff.graphql.booking_watch.FIRST_ANSWER_SECONDS", 0.0)
    script.answers["WatchBooking"] = silence
    await listener.subscribe(lesson.booking_id)
    assert (await listener.refused())["code"] == "UNAVAILABLE"


async def test_49_what_a_field_fails_with_leaves_the_rest_of_the_event(
    listener: Listener, watched: Any, script: Any, lesson: Any
) -> None:
    script.answers["BatchGetPayments"] = TryAgain()
    query = "subscription($id: ID!) { bookingUpdated(bookingId: $id) { status payment { id } } }"
    await listener.subscribe(lesson.booking_id, query=query)
    payload = (await listener.heard())["payload"]
    assert payload["data"] == {"bookingUpdated": {"status": "CONFIRMED", "payment": None}}
    assert [error["extensions"]["code"] for error in payload["errors"]] == ["UNAVAILABLE"]


async def test_a_subscription_that_the_client_completes_ends(listener: Listener, watched: Any, lesson: Any) -> None:
    await listener.subscribe(lesson.booking_id)
    await listener.status()
    await listener.say("complete", id="1")
    await asyncio.wait_for(watched.wait(), 5)
    await listener.say("complete", id="unknown")
    await listener.say("ping")
    assert (await listener.heard())["type"] == "pong"  # and no message about it comes


async def test_a_client_that_vanishes_leaves_no_stream_behind(
    address: str, watched: Any, lesson: Any, student: Any
) -> None:
    async with listening(address, student.token) as listener:
        await listener.subscribe(lesson.booking_id)
        await listener.status()
        listener.socket.transport.abort()
        await asyncio.wait_for(watched.wait(), 5)


async def test_a_client_that_does_not_read_is_cut_off(
    address: str, watched: Any, script: Any, lesson: Any, student: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def chatter(_: object) -> AsyncIterator[Any]:
        async def changes() -> AsyncIterator[Any]:
            try:
                for version in itertools.count(2):
                    told = lesson.booking(version=version, purpose="x" * 100_000)
                    yield booking_pb2.WatchBookingResponse(booking=told)
            finally:
                watched.set()

        return changes()

    monkeypatch.setattr(connection, "SEND_SECONDS", 0.2)
    script.answers["WatchBooking"] = chatter
    query = "subscription($id: ID!) { bookingUpdated(bookingId: $id) { purpose } }"
    async with listening(address, student.token) as listener:
        listener.socket.transport.pause_reading()
        await listener.subscribe(lesson.booking_id, query=query)
        await asyncio.wait_for(watched.wait(), 10)
        listener.socket.transport.abort()


async def test_messages_count_against_the_rate(
    peers: Any, verifier: Any, script: Any, edge_settings: Any, student: Any
) -> None:
    app = build(peers, verifier, RateLimiter(clock=lambda: 0.0))
    async with served(app, edge_settings) as at, listening(at, student.token) as listener:
        for _ in range(99):
            await listener.say("ping")
        assert [(await listener.heard())["type"] for _ in range(99)] == ["pong"] * 99
        await listener.say("subscribe", id="1", payload=QUERY)
        assert (await listener.refused())["code"] == "RATE_LIMITED"
        await listener.say("ping")
        assert (await listener.closed())[0] == 4429


@pytest.mark.parametrize("origin", [None, PAGE])
async def test_pages_of_allowed_origins_may_connect(address: str, script: Any, student: Any, origin: Any) -> None:
    for allowed in (origin, f"http://{address}"):
        async with listening(address, student.token, origin=allowed) as listener:
            assert listener.socket.subprotocol == "graphql-transport-ws"


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
async def test_pages_of_other_origins_may_not(address: str, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with listening(address, origin=origin):
            pass
    assert refused.value.response.status_code == 403


async def test_no_other_path_takes_a_websocket(address: str) -> None:
    with pytest.raises(InvalidStatus):
        async with listening(f"{address}/elsewhere"):
            pass


async def test_a_message_too_large_closes_with_1009(listener: Listener) -> None:
    await listener.socket.send(json.dumps({"type": "ping", "payload": {"a": "x" * 100_000}}))
    assert (await listener.closed())[0] == 1009


async def test_an_issuer_that_is_away_closes_with_1013(
    peers: Any, edge_settings: Any, student: Any, auth_settings: dict[str, Any]
) -> None:
    from mesh.identity import KeySet, Verifier

    verifier = Verifier(KeySet("file:///nowhere/jwks.json"), auth_settings["auth_issuer"], "x")
    async with served(build(peers, verifier), edge_settings) as at, listening(at) as listener:
        await listener.say("connection_init", payload={"authorization": f"Bearer {student.token}"})
        assert (await listener.closed())[0] == 1013


async def test_a_crash_closes_with_4500_without_internals(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr("bff.graphql.operations.Operations.read", broken)
    await listener.say("subscribe", id="1", payload=QUERY)
    assert await listener.closed() == (4500, "Internal server error")
