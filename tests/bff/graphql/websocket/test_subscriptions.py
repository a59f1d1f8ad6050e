"""bookingUpdated in front of the real booking service: in order, without a gap, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from opentelemetry.trace import SpanKind
from structlog.testing import capture_logs

from bff.app import build
from bff.http.rate_limits import RateLimiter
from bff.peers import Peers
from bff.settings import Settings
from booking_svc.bookings import Bookings
from booking_svc.domain import Details, Status
from booking_svc.servicer import BookingServicer
from booking_svc.store import VIOLATIONS, Store
from devkit.ports import reserve_port
from mesh.changes import Changes
from mesh.database import Database
from mesh.identity import ServiceTokenFile
from mesh.money import Money
from mesh.server import Server, Service
from mesh.settings import ServiceSettings
from mesh.watches import Watches
from tests.bff.live import Listener, listening, served
from tests.people import lesson_time, wait_until
from tests.traced import traced
from tutormesh.booking.v1 import booking_pb2, booking_pb2_grpc


@dataclass
class Booked:
    """A booking and who may see it."""

    student: Any
    tutor: Any
    id: Any = field(default_factory=uuid4)
    saga: Any = field(default_factory=uuid4)

    def details(self) -> Details:
        return Details(
            tutor_id=self.tutor,
            student_id=self.student,
            course_id=None,
            start=lesson_time(),
            end=lesson_time(hour=11),
            price=Money(5000, "USD"),
            purpose="",
            hold_expires_at=lesson_time(),
            availability_block_id=uuid4(),
            session_id=uuid4(),
            payment_id=uuid4(),
        )


@dataclass
class BookingService:
    """booking_svc on a port of its own; it can be stopped and started again."""

    url: str
    verifier: Any
    settings: ServiceSettings
    stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def start(self) -> None:
        database = await self.stack.enter_async_context(Database(self.url, name="booking", violations=VIOLATIONS))
        self.changes = await self.stack.enter_async_context(Changes(self.url, "booking"))
        self.bookings = Bookings(Store(database))
        service = Service(
            booking_pb2.DESCRIPTOR.services_by_name["BookingService"],
            booking_pb2_grpc.add_BookingServiceServicer_to_server,
            BookingServicer(self.bookings, Watches(self.bookings, self.changes)),
        )
        self.server = Server(self.settings, self.verifier, [service])
        await self.server.start()

    async def stop(self, *, gently: bool = False) -> None:
        if gently:
            await self.changes.stop()
        await self.server._server.stop(2 if gently else 0)
        await self.stack.aclose()

    async def watchers(self) -> int:
        return self.changes.watcher_count


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def service(make_database: Any, verifier: Any, auth_settings: dict[str, Any]) -> AsyncIterator[BookingService]:
    settings = ServiceSettings(_env_file=None, port=reserve_port(), reuse_port=True, drain_seconds=1, **auth_settings)
    running = BookingService(await make_database("booking_svc"), verifier, settings)
    await running.start()
    yield running
    await running.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def address(service: BookingService, edge_settings: Settings, verifier: Any) -> AsyncIterator[str]:
    told = edge_settings.model_dump() | {"booking_address": f"127.0.0.1:{service.settings.port}"}
    settings = Settings(_env_file=None, **told)
    ample = RateLimiter(clock=itertools.count().__next__)  # each reading is a second later
    async with (
        Peers(settings, ServiceTokenFile(settings.service_token_file)) as peers,
        served(build(peers, verifier, ample), settings) as at,
    ):
        yield at


@pytest_asyncio.fixture
async def booked(service: BookingService) -> Booked:
    made = Booked(uuid4(), uuid4())
    await service.bookings.create(made.id, made.saga, made.details())
    return made


@pytest_asyncio.fixture
async def listener(address: str, booked: Booked, token: Callable[..., str]) -> AsyncIterator[Listener]:
    """A connection of the booking's student that has subscribed to it."""
    async with listening(address, token("student", subject=booked.student)) as introduced:
        await introduced.subscribe(str(booked.id))
        assert await introduced.status() == "PAYMENT_REQUIRED"
        yield introduced


async def test_each_change_is_pushed_in_order_until_the_end(
    service: BookingService, listener: Listener, booked: Booked
) -> None:
    await service.bookings.confirm(booked.id, booked.saga)
    assert await listener.status() == "CONFIRMED"
    await service.bookings.end(booked.id, booked.saga, Status.CANCELLED, "")
    assert await listener.status() == "CANCELLED"
    assert await listener.heard() == {"type": "complete", "id": "1"}


async def test_an_ended_booking_is_sent_once_and_completed(
    service: BookingService, address: str, booked: Booked, token: Callable[..., str]
) -> None:
    await service.bookings.end(booked.id, booked.saga, Status.EXPIRED, "")
    async with listening(address, token("tutor", subject=booked.tutor)) as tutor:
        await tutor.subscribe(str(booked.id))
        assert await tutor.status() == "EXPIRED"
        assert await tutor.heard() == {"type": "complete", "id": "1"}


@pytest.mark.parametrize("role", ["student", "tutor"])
async def test_47_anothers_booking_does_not_exist(
    address: str, booked: Booked, token: Callable[..., str], role: str
) -> None:
    async with listening(address, token(role)) as stranger:
        await stranger.subscribe(str(booked.id), "theirs")
        await stranger.subscribe(str(uuid4()), "nobodys")
        refused = {(await stranger.heard())["payload"][0]["extensions"]["code"] for _ in range(2)}
        assert refused == {"NOT_FOUND"}


async def test_a_malformed_id_is_refused_and_named(address: str, token: Callable[..., str]) -> None:
    async with listening(address, token("student")) as student:
        await student.subscribe("nonsense")
        error = await student.refused()
    assert (error["code"], error["field"]) == ("BAD_USER_INPUT", ["bookingId"])


@pytest.mark.parametrize("gently", [True, False], ids=["drained", "killed"])
async def test_a_restart_of_the_service_leaves_no_gap(
    service: BookingService, listener: Listener, booked: Booked, gently: bool
) -> None:
    await service.stop(gently=gently)
    await service.start()
    await service.bookings.confirm(booked.id, booked.saga)
    assert await listener.status() == "CONFIRMED"


async def test_68_connections_whose_time_is_over_leave_no_gap(
    service: BookingService, address: str, booked: Booked, token: Callable[..., str]
) -> None:
    """The stream of a subscription ends with its connection again and again, and each change is sent once."""
    await service.stop()
    usual = service.settings
    service.settings = usual.model_copy(
        update={"max_connection_age_seconds": 0.05, "max_connection_age_grace_seconds": 0.05}
    )
    await service.start()
    try:
        async with listening(address, token("student", subject=booked.student)) as listener:
            with capture_logs() as lines:
                await listener.subscribe(str(booked.id))
                assert await listener.status() == "PAYMENT_REQUIRED"
                await broken_once_more(lines)
                await service.bookings.confirm(booked.id, booked.saga)
                assert await listener.status() == "CONFIRMED"
                await broken_once_more(lines)
                await service.bookings.end(booked.id, booked.saga, Status.CANCELLED, "")
                assert await listener.status() == "CANCELLED"
            assert await listener.heard() == {"type": "complete", "id": "1"}
    finally:
        await service.stop()
        service.settings = usual
        await service.start()


async def broken_once_more(lines: list[Any]) -> None:
    """Wait until the edge has lost one more stream."""

    async def losses() -> int:
        return sum(line["event"] == "watch_broken" for line in lines)

    before = await losses()
    await wait_until(losses, lambda now: now > before)


async def test_a_change_during_an_outage_is_sent_once_afterwards(
    service: BookingService, listener: Listener, booked: Booked
) -> None:
    await service.server._server.stop(0)
    await service.bookings.confirm(booked.id, booked.saga)
    await service.stop()
    await service.start()
    assert await listener.status() == "CONFIRMED"
    await service.bookings.end(booked.id, booked.saga, Status.CANCELLED, "")
    assert await listener.status() == "CANCELLED"


@pytest.mark.parametrize("leave", ["vanish", "close", "complete"])
async def test_a_client_that_leaves_leaves_no_stream_behind(
    service: BookingService, listener: Listener, leave: str
) -> None:
    assert await service.watchers() == 1
    if leave == "vanish":
        listener.socket.transport.abort()
    elif leave == "close":
        await listener.socket.close()
    else:
        await listener.say("complete", id="1")
    assert await wait_until(service.watchers, lambda count: count == 0) == 0


async def test_many_streams_leave_room_for_calls(
    service: BookingService, address: str, booked: Booked, token: Callable[..., str]
) -> None:
    """Streams share one gRPC connection with every other call to the service."""
    async with contextlib.AsyncExitStack() as stack:
        listeners = [await stack.enter_async_context(listening(address, token("admin"))) for _ in range(10)]
        for one in listeners:
            for number in range(15):
                await one.subscribe(str(booked.id), str(number))
        async with asyncio.timeout(20):
            await wait_until(service.watchers, lambda count: count == 150)
        query = {"query": "query($id: ID!) { booking(id: $id) { status } }", "variables": {"id": str(booked.id)}}
        await listeners[0].say("subscribe", id="q", payload=query)
        while (message := await listeners[0].heard())["id"] != "q":
            pass
        assert message["payload"] == {"data": {"booking": {"status": "PAYMENT_REQUIRED"}}}
    assert await wait_until(service.watchers, lambda count: count == 0) == 0


async def test_a_subscription_is_a_span_until_its_client_leaves(
    service: BookingService, address: str, booked: Booked, token: Callable[..., str]
) -> None:
    with traced() as seen:
        async with listening(address, token("student", subject=booked.student)) as student:
            await student.subscribe(str(booked.id))
            assert await student.status() == "PAYMENT_REQUIRED"
            await student.subscribe(str(uuid4()), "2")
            await student.refused("2")

        async def ended() -> bool:
            return len(seen.named("WEBSOCKET /graphql")) == 2

        await wait_until(ended, bool)
    refused, left = sorted(seen.named("subscription bookingUpdated"), key=lambda span: span.end_time)
    assert refused.attributes["tutormesh.errors"] == "NOT_FOUND"
    assert left.attributes["tutormesh.booking_id"] == str(booked.id)
    watches = seen.named("BookingService/WatchBooking", booking_id=str(booked.id))
    (watch,) = (span for span in watches if span.kind is SpanKind.CLIENT)  # the service's own may have ended as well
    assert watch.parent.span_id == left.context.span_id
    doors = {span.context.span_id for span in seen.named("WEBSOCKET /graphql")}
    assert {span.parent.span_id for span in (refused, left)} == doors
    assert all(span.status.is_unset for span in (refused, left))
