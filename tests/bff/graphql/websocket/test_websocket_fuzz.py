"""Random messages over a WebSocket: an answer or one of the protocol's codes, no crash, no hang."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from bff.app import build
from bff.http.rate_limits import RateLimiter
from tests.bff.graphql.test_graphql_fuzz import CODES, documents, json_values, many
from tests.bff.live import Listener, listening, served
from tutormesh.booking.v1 import booking_pb2

TYPES = "connection_init connection_ack ping pong subscribe next error complete".split()
CLOSES = {4400, 4401, 4403, 4409, 4429, 1007}
SUBSCRIPTION = 'subscription { bookingUpdated(bookingId: "%s") { id status } }'

ids = st.sampled_from(["1", "2"]) | json_values
operations = st.fixed_dictionaries(
    {"query": documents | st.text().map(lambda text: SUBSCRIPTION % json.dumps(text)[1:-1])},
    optional={"variables": json_values, "operationName": json_values, "extensions": json_values},
)
messages = (
    st.fixed_dictionaries({"type": st.sampled_from(TYPES)}, optional={"id": ids, "payload": operations | json_values})
    | st.fixed_dictionaries({"type": st.just("subscribe"), "id": ids, "payload": operations})
).map(json.dumps) | st.text() | st.binary(max_size=100)  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def address(peers: Any, verifier: Any, edge_settings: Any) -> AsyncIterator[str]:
    ample = RateLimiter(clock=itertools.count().__next__)
    async with served(build(peers, verifier, ample), edge_settings) as at:
        yield at


async def heard_of(listener: Listener, said: list[str | bytes]) -> list[dict[str, Any]]:
    """The messages that come back, until the connection ends or every message was answered."""
    heard: list[dict[str, Any]] = []
    try:
        for message in said:
            await listener.socket.send(message)
        await listener.say("ping", payload={"last": True})
        while not heard or heard[-1] != {"type": "pong", "payload": {"last": True}}:
            heard.append(await listener.heard())
    except ConnectionClosed:
        assert listener.socket.close_code in CLOSES, (listener.socket.close_code, listener.socket.close_reason)
    return heard


@settings(many, max_examples=150)
@given(said=st.lists(messages, max_size=6))
async def test_50_random_messages(
    address: str, script: Any, student: Any, lesson: Any, said: list[str | bytes]
) -> None:
    async def one(_: object) -> AsyncIterator[Any]:
        async def changes() -> AsyncIterator[Any]:
            booking = lesson.booking(status=booking_pb2.BOOKING_STATUS_EXPIRED)
            yield booking_pb2.WatchBookingResponse(booking=booking)

        return changes()

    script.answers["WatchBooking"] = one
    async with listening(address, student.token) as listener:
        for message in await heard_of(listener, said):
            assert message["type"] in {"pong", "next", "error", "complete"}
            errors = message["payload"] if message["type"] == "error" else message.get("payload", {}).get("errors", ())
            assert {error["extensions"]["code"] for error in errors} <= CODES
            assert "Traceback" not in str(message)


@settings(many, max_examples=80)
@given(said=st.lists(messages, max_size=3))
async def test_50_random_messages_before_authentication(address: str, script: Any, said: list[str | bytes]) -> None:
    async with listening(address) as listener:
        assert {message["type"] for message in await heard_of(listener, said)} <= {"pong"}
    assert not script.asked("WatchBooking")
