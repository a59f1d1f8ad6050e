"""Services whose answer the test scripts, an issuer with keys of its own, and `wait_until`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec

from mesh import calls
from mesh.calls import Call
from mesh.identity import KeySet, Verifier
from mesh.server import Server, Service
from mesh.settings import ServiceSettings
from tests.conftest import AUDIENCE, ISSUER, FixedToken
from tutormesh.booking.v1 import booking_pb2, booking_pb2_grpc
from tutormesh.session.v1 import session_pb2, session_pb2_grpc

GET = session_pb2.GetSessionRequest(session_id="of no importance")
Answer = Callable[[], Awaitable[None]]


class ScriptedSessions(session_pb2_grpc.SessionServiceServicer):
    """GetSession does what the test says."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def GetSession(self, request: Any, context: Any) -> session_pb2.GetSessionResponse:
        await self._answer()
        return session_pb2.GetSessionResponse()


class ScriptedBookings(booking_pb2_grpc.BookingServiceServicer):
    """WatchBooking sends one booking, then does what the test says."""

    def __init__(self, then: Answer) -> None:
        self._then = then

    async def WatchBooking(self, request: Any, context: Any) -> AsyncIterator[booking_pb2.WatchBookingResponse]:
        yield booking_pb2.WatchBookingResponse(booking=booking_pb2.Booking(id=request.booking_id))
        await self._then()


def sessions(answer: Answer) -> Service:
    return Service(
        session_pb2.DESCRIPTOR.services_by_name["SessionService"],
        session_pb2_grpc.add_SessionServiceServicer_to_server,
        ScriptedSessions(answer),
    )


def bookings(then: Answer) -> Service:
    return Service(
        booking_pb2.DESCRIPTOR.services_by_name["BookingService"],
        booking_pb2_grpc.add_BookingServiceServicer_to_server,
        ScriptedBookings(then),
    )


async def nothing() -> None:
    """An answer that does nothing."""


def raising(error: Exception) -> Answer:
    async def answer() -> None:
        raise error

    return answer


@pytest_asyncio.fixture
async def start_server(
    auth_settings: dict[str, Any], verifier: Verifier
) -> AsyncIterator[Callable[..., Awaitable[Server]]]:
    """`await start_server(service, …, drain_seconds=…)`: a running server, stopped at the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(*services: Service, drain_seconds: float = 1, checked_by: Verifier = verifier) -> Server:
            settings = ServiceSettings(_env_file=None, port=0, drain_seconds=drain_seconds, **auth_settings)
            server = Server(settings, checked_by, list(services))
            await server.start()
            stack.push_async_callback(server.stop)
            return server

        yield start


@pytest_asyncio.fixture
async def plain_channel() -> AsyncIterator[Callable[[Server], grpc.aio.Channel]]:
    """A channel that adds nothing to a call, for calls that the chassis' own channel would not send."""
    async with contextlib.AsyncExitStack() as stack:

        def create(server: Server) -> grpc.aio.Channel:
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{server.port}")
            stack.push_async_callback(channel.close)
            return channel

        yield create


@pytest_asyncio.fixture
async def open_channel(token: Callable[..., str]) -> AsyncIterator[Callable[..., grpc.aio.Channel]]:
    """`open_channel(server, service="payment", person_token=None)`: the chassis' channel to this server, as that caller."""
    from mesh.channels import connect

    async with contextlib.AsyncExitStack() as stack:

        def create(server: Server, service: str = "payment", person_token: str | None = None) -> grpc.aio.Channel:
            own = token("service", service=service) if service else ""
            channel = connect(f"127.0.0.1:{server.port}", FixedToken(service, own, person_token))
            stack.push_async_callback(channel.close)
            return channel

        yield create


async def run_within(call: Call, work: Callable[[], Awaitable[Any]]) -> Any:
    """Do `work` as if for this incoming call, in a task of its own."""

    async def run() -> Any:
        calls.enter(call)
        return await work()

    return await asyncio.create_task(run())


async def wait_until(holds: Callable[[], Awaitable[bool]], seconds: float = 5) -> None:
    """Poll `holds` until it returns true; fail when it does not within `seconds`."""
    end = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < end, "it never came to hold"
        await asyncio.sleep(0.01)


class Issuer:
    """Keys by name, the JWKS file with their public halves, and tokens signed with them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "jwks.json"
        self.keys: dict[str, ec.EllipticCurvePrivateKey] = {}

    def has(self, *kids: str) -> None:
        """Publish these keys, and no others."""
        self.keys |= {kid: ec.generate_private_key(ec.SECP256R1()) for kid in kids if kid not in self.keys}
        self.path.write_text(json.dumps({"keys": [self._public(kid) for kid in kids]}))

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Valid claims of a student; a change to None leaves the claim out."""
        claims = {"sub": str(uuid.uuid4()), "roles": ["student"], "iss": ISSUER, "aud": AUDIENCE}
        claims |= {"exp": int(time.time()) + 60, **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, kid: str = "k1", **changes: Any) -> str:
        return jwt.encode(self.claims(**changes), self.keys[kid], algorithm="ES256", headers={"kid": kid})

    def verifier(self) -> Verifier:
        return Verifier(KeySet(self.path.as_uri()), ISSUER, AUDIENCE)

    def _public(self, kid: str) -> dict[str, Any]:
        jwk = jwt.algorithms.ECAlgorithm.to_jwk(self.keys[kid].public_key(), as_dict=True)
        return {**jwk, "kid": kid, "alg": "ES256"}


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    made = Issuer(tmp_path)
    made.has("k1")
    return made


class Clock:
    """Stands in for the `time` module where a test must not wait for minutes."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def time(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def identity_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    from mesh import identity

    clock = Clock()
    monkeypatch.setattr(identity, "time", clock)
    yield clock
