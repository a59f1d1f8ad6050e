"""The real edge before fake peers: small scripted servicers behind the chassis' own server, so that identity,
deadlines and errors cross a real wire."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp

from bff.app import build
from bff.peers import Peers
from bff.settings import Options, Settings
from mesh import calls
from mesh.calls import Call
from mesh.errors import NotFound
from mesh.identity import ServiceTokenFile, Verifier
from mesh.server import Server, Service
from mesh.settings import ServiceSettings
from tutormesh.availability.v1 import availability_pb2, availability_pb2_grpc
from tutormesh.booking.v1 import booking_pb2, booking_pb2_grpc
from tutormesh.common.v1.money_pb2 import Money
from tutormesh.common.v1.timeline_pb2 import BookingTimeline, TimelineEntry
from tutormesh.learning.v1 import learning_pb2, learning_pb2_grpc
from tutormesh.payment.v1 import link_pb2, link_pb2_grpc, payment_pb2, payment_pb2_grpc
from tutormesh.session.v1 import session_pb2, session_pb2_grpc

SERVICES = {
    "availability": [(availability_pb2, availability_pb2_grpc, "AvailabilityService")],
    "booking": [(booking_pb2, booking_pb2_grpc, "BookingService")],
    "learning": [(learning_pb2, learning_pb2_grpc, "LearningService")],
    "payment": [(payment_pb2, payment_pb2_grpc, "PaymentService"), (link_pb2, link_pb2_grpc, "LinkService")],
    "session": [(session_pb2, session_pb2_grpc, "SessionService")],
}


#: The reply to a batch of things that do not exist.
NOTHING = {
    "BatchGetBookings": booking_pb2.BatchGetBookingsResponse(),
    "BatchGetCourses": learning_pb2.BatchGetCoursesResponse(),
    "BatchGetEnrollments": learning_pb2.BatchGetEnrollmentsResponse(),
    "BatchGetTimelines": booking_pb2.BatchGetTimelinesResponse(),
    "BatchGetSessions": session_pb2.BatchGetSessionsResponse(),
    "BatchGetPayments": payment_pb2.BatchGetPaymentsResponse(),
    "BatchGetBookingTimelines": payment_pb2.BatchGetBookingTimelinesResponse(),
}


@dataclass(frozen=True)
class Seen:
    """One RPC that reached a peer."""

    rpc: str
    request: Any
    call: Call
    seconds_left: float


@dataclass
class Script:
    """The peers' answer to each RPC (a message, an exception, or a function of the request), and the calls they got."""

    answers: dict[str, Any] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)

    async def play(self, rpc: str, request: Any) -> Any:
        self.seen.append(Seen(rpc, request, calls.current(), calls.remaining() or 0.0))
        answer = self.answers.get(rpc, NOTHING.get(rpc, NotFound()))
        if callable(answer):
            answer = await answer(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def asked(self, rpc: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.rpc == rpc]

    def one(self, rpc: str) -> Seen:
        (only,) = self.asked(rpc)
        return only


def _servicer(script: Script, methods: Any) -> object:
    """A stream's answer is an asynchronous iterable of messages."""

    def behaviour(rpc: str) -> Callable[..., Any]:
        async def serve(_: object, request: Any, __: object) -> Any:
            return await script.play(rpc, request)

        return serve

    def streaming(rpc: str) -> Callable[..., Any]:
        async def serve(_: object, request: Any, __: object) -> AsyncIterator[Any]:
            async for message in await script.play(rpc, request):
                yield message

        return serve

    kinds = {method.name: streaming if method.server_streaming else behaviour for method in methods}
    return type("Scripted", (), {name: kind(name) for name, kind in kinds.items()})()


def peer(name: str, script: Script, verifier: Verifier, auth: dict[str, Any], port: int = 0) -> Server:
    settings = ServiceSettings(_env_file=None, port=port, drain_seconds=0.2, **auth)
    return Server(settings, verifier, [_service(script, *service) for service in SERVICES[name]])


def _service(script: Script, messages: Any, stubs: Any, name: str) -> Service:
    descriptor = messages.DESCRIPTOR.services_by_name[name]
    add = getattr(stubs, f"add_{name}Servicer_to_server")
    return Service(descriptor, add, _servicer(script, descriptor.methods))


@pytest.fixture(scope="session")
def make_peer(verifier: Verifier, auth_settings: dict[str, Any]) -> Callable[..., Server]:
    """`make_peer(name, script, port=0)`: a server of one service that plays a script; not yet started."""
    return lambda name, script, port=0: peer(name, script, verifier, auth_settings, port)


@pytest.fixture(scope="session")
def shared_script() -> Script:
    return Script()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def peer_servers(make_peer: Callable[..., Server], shared_script: Script) -> AsyncIterator[dict[str, Server]]:
    servers = {name: make_peer(name, shared_script) for name in SERVICES}
    for server in servers.values():
        await server.start()
    yield servers
    for server in servers.values():
        await server.stop()


@pytest.fixture(scope="session")
def service_token_file(tmp_path_factory: pytest.TempPathFactory, token: Callable[..., str]) -> Path:
    path = tmp_path_factory.mktemp("bff") / "service.jwt"
    path.write_text(token("service", service="bff"))
    return path


@pytest.fixture(scope="session")
def edge_settings(peer_servers: dict[str, Server], service_token_file: Path, auth_settings: dict[str, Any]) -> Settings:
    addresses = {f"{name}_address": f"127.0.0.1:{server.port}" for name, server in peer_servers.items()}
    return Settings(_env_file=None, port=0, service_token_file=service_token_file, **addresses, **auth_settings)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def peers(edge_settings: Settings) -> AsyncIterator[Peers]:
    async with Peers(edge_settings, ServiceTokenFile(edge_settings.service_token_file)) as opened:
        yield opened


@pytest.fixture
def script(shared_script: Script) -> Script:
    shared_script.answers.clear()
    shared_script.seen.clear()
    return shared_script


@pytest_asyncio.fixture
async def http(peers: Peers, verifier: Verifier, script: Script) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=build(peers, verifier))
    async with httpx.AsyncClient(transport=transport, base_url="http://edge.test", timeout=20) as client:
        yield client


@pytest.fixture
def edge(peers: Peers, verifier: Verifier, script: Script) -> Callable[..., httpx.AsyncClient]:
    """`edge(introspection=False)`: a client of an edge with these options."""

    def with_options(**options: Any) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=build(peers, verifier, options=Options(**options)))
        return httpx.AsyncClient(transport=transport, base_url="http://edge.test")

    return with_options


@dataclass(frozen=True)
class Client:
    """A person (or nobody) at the edge."""

    http: httpx.AsyncClient
    id: str = ""
    token: str = ""
    door: str = "/graphql"

    @property
    def key(self) -> uuid.UUID:
        """What the edge counts the person's requests for."""
        return uuid.UUID(self.id)

    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"} if self.token else {}

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The whole answer, which must be 200 within 10 s."""
        began = time.monotonic()
        body = {"query": query, "variables": variables}
        answer = await self.http.post(self.door, json=body, headers=self.headers())
        assert answer.status_code == 200, answer.text
        assert time.monotonic() - began < 10
        parsed: dict[str, Any] = answer.json()
        return parsed

    async def data(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = await self.ask(query, **variables)
        assert "errors" not in answer, answer
        parsed: dict[str, Any] = answer["data"]
        return parsed

    async def error(self, query: str, **variables: Any) -> dict[str, Any]:
        """The only error of an answer, its extensions flattened into it."""
        (error,) = (await self.ask(query, **variables))["errors"]
        return {**error, **error["extensions"]}


@pytest.fixture
def make_person(http: httpx.AsyncClient, token: Callable[..., str]) -> Callable[..., Client]:
    def make(role: str, subject: str | None = None) -> Client:
        subject = subject or str(uuid.uuid4())
        return Client(http, subject, token(role, subject=subject))

    return make


@pytest.fixture
def student(make_person: Callable[..., Client]) -> Client:
    return make_person("student")


@pytest.fixture
def tutor(make_person: Callable[..., Client]) -> Client:
    return make_person("tutor")


@pytest.fixture
def nobody(http: httpx.AsyncClient) -> Client:
    return Client(http)


# What the peers know.


def at(text: str) -> Timestamp:
    stamp = Timestamp()
    stamp.FromJsonString(text)
    return stamp


@pytest.fixture(name="at", scope="session")
def at_fixture() -> Callable[[str], Timestamp]:
    """`at("2030-01-31T09:00:00Z")`: that instant as the peers send it."""
    return at


@dataclass(frozen=True)
class SoldLesson:
    """One sold lesson as each peer knows it."""

    student: str = field(default_factory=lambda: str(uuid.uuid4()))
    tutor: str = field(default_factory=lambda: str(uuid.uuid4()))
    booking_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    session_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    payment_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    saga_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def booking(self, **changed: Any) -> booking_pb2.Booking:
        values: dict[str, Any] = {
            "id": self.booking_id,
            "saga_id": self.saga_id,
            "status": booking_pb2.BOOKING_STATUS_CONFIRMED,
            "tutor_id": self.tutor,
            "student_id": self.student,
            "start_time": at("2030-01-31T09:00:00Z"),
            "end_time": at("2030-01-31T10:00:00Z"),
            "price": Money(amount_minor=5000, currency="USD"),
            "purpose": "fractions",
            "hold_expires_at": at("2030-01-30T09:30:00Z"),
            "session_id": self.session_id,
            "payment_id": self.payment_id,
            "created_at": at("2030-01-30T09:00:00.250Z"),
            "version": 2,
        }
        return booking_pb2.Booking(**values | changed)

    def bookings(self, **changed: Any) -> booking_pb2.BatchGetBookingsResponse:
        return booking_pb2.BatchGetBookingsResponse(bookings=[self.booking(**changed)])

    def told(self, *entries: TimelineEntry) -> list[BookingTimeline]:
        return [BookingTimeline(booking_id=self.booking_id, entries=entries)]

    def session(self, **changed: Any) -> session_pb2.Session:
        values: dict[str, Any] = {
            "id": self.session_id,
            "booking_id": self.booking_id,
            "tutor_id": self.tutor,
            "student_id": self.student,
            "scheduled_at": at("2030-01-31T09:00:00Z"),
            "duration_minutes": 60,
            "status": session_pb2.SESSION_STATUS_CONFIRMED,
        }
        return session_pb2.Session(**values | changed)

    def sessions(self, **changed: Any) -> session_pb2.BatchGetSessionsResponse:
        return session_pb2.BatchGetSessionsResponse(sessions=[self.session(**changed)])

    def payment(self, **changed: Any) -> payment_pb2.Payment:
        values: dict[str, Any] = {
            "id": self.payment_id,
            "amount": Money(amount_minor=5000, currency="USD"),
            "status": payment_pb2.PAYMENT_STATUS_SUCCEEDED,
            "context": payment_pb2.PAYMENT_CONTEXT_SESSION_BOOKING,
            "context_id": self.session_id,
            "session_id": self.session_id,
            "stripe_payment_intent_id": "pi_1",
            "created_at": at("2030-01-30T09:00:00Z"),
            "student_id": self.student,
        }
        return payment_pb2.Payment(**values | changed)

    def booked(self, **changed: Any) -> payment_pb2.BookSessionResponse:
        values: dict[str, Any] = {
            "saga_id": self.saga_id,
            "booking_id": self.booking_id,
            "session_id": self.session_id,
            "payment_id": self.payment_id,
            "payment_intent_id": "pi_1",
            "client_secret": "pi_1_secret_hush",
            "hold_expires_at": at("2030-01-30T09:30:00Z"),
            "saga_state": "AWAITING_PAYMENT",
        }
        return payment_pb2.BookSessionResponse(**values | changed)

    def answers(self) -> dict[str, Any]:
        """The answer to every read of it."""
        created = TimelineEntry(at=at("2030-01-30T09:00:00Z"), service="booking", event="created")
        confirmed = TimelineEntry(at=at("2030-01-30T09:00:09Z"), service="booking", event="confirmed", detail="paid")
        paid = TimelineEntry(at=at("2030-01-30T09:00:05Z"), service="payment", event="payment_succeeded")
        return {
            "BatchGetBookings": self.bookings(),
            "BatchGetCourses": learning_pb2.BatchGetCoursesResponse(),
            "BatchGetEnrollments": learning_pb2.BatchGetEnrollmentsResponse(),
            "BatchGetTimelines": booking_pb2.BatchGetTimelinesResponse(timelines=self.told(created, confirmed)),
            "BatchGetSessions": self.sessions(),
            "BatchGetPayments": payment_pb2.BatchGetPaymentsResponse(payments=[self.payment()]),
            "BatchGetBookingTimelines": payment_pb2.BatchGetBookingTimelinesResponse(timelines=self.told(paid)),
            "GetBooking": booking_pb2.GetBookingResponse(booking=self.booking()),
            "GetPayment": payment_pb2.GetPaymentResponse(payment=self.payment()),
            "GetSession": session_pb2.GetSessionResponse(session=self.session()),
            "BookSession": self.booked(),
        }


@pytest.fixture
def lesson(student: Client, tutor: Client) -> SoldLesson:
    return replace(SoldLesson(), student=student.id, tutor=tutor.id)
