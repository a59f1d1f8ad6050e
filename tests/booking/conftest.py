"""booking_svc behind a real gRPC server on a real database, and people who call it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import grpc
import pytest
import pytest_asyncio

from booking_svc.bookings import Bookings
from booking_svc.servicer import BookingServicer
from booking_svc.store import VIOLATIONS, Store
from mesh.changes import Changes
from mesh.clock import to_proto
from mesh.database import Database
from mesh.watches import Watches
from mesh.wire import EARLIEST
from tutormesh.booking.v1 import booking_pb2 as pb
from tutormesh.booking.v1 import booking_pb2_grpc
from tutormesh.common.v1.money_pb2 import Money

TIMEOUT = 10


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def database_url(make_database: Any) -> str:
    return await make_database("booking_svc")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, name="booking", violations=VIOLATIONS) as database:
        yield database


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def changes(database_url: str) -> AsyncIterator[Changes]:
    async with Changes(database_url, "booking") as changes:
        yield changes


@pytest.fixture(scope="module")
def bookings(database: Database) -> Bookings:
    return Bookings(Store(database))


@pytest.fixture(scope="module")
def watches(bookings: Bookings, changes: Changes) -> Watches:
    return Watches(bookings, changes)


@pytest.fixture(scope="module")
def grpc_servicer(bookings: Bookings, watches: Watches) -> BookingServicer:
    return BookingServicer(bookings, watches)


@pytest.fixture(scope="module")
def grpc_add_to_server() -> Any:
    return booking_pb2_grpc.add_BookingServiceServicer_to_server


@pytest.fixture(scope="module")
def grpc_stub_cls() -> Any:
    return booking_pb2_grpc.BookingServiceStub


@pytest.fixture(scope="module")
def grpc_descriptor() -> Any:
    return pb.DESCRIPTOR.services_by_name["BookingService"]


@pytest_asyncio.fixture(loop_scope="session")
async def sql(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the test's own, to see the stored rows."""
    connection = await asyncpg.connect(database_url.replace("+asyncpg", "", 1))
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def wait_until() -> Callable[[Callable[[], Any], object], Awaitable[None]]:
    """`await wait_until(look, wanted)`: poll until `await look()` returns `wanted`; at most 10 s."""

    async def wait_until(look: Callable[[], Any], wanted: object) -> None:
        async with asyncio.timeout(TIMEOUT):
            while await look() != wanted:  # noqa: ASYNC110 - what is waited for happens in another process
                await asyncio.sleep(0.01)

    return wait_until


class Mesh:
    """The service as its callers see it: `payment` writes, `bff` and `ops` read, for people or for themselves."""

    def __init__(self, create_channel: Callable[..., grpc.aio.Channel], token: Callable[..., str]) -> None:
        self._create_channel, self._token = create_channel, token
        self._channels: dict[tuple[str, str], Any] = {}
        self.payment, self.bff, self.ops = self.stub("payment"), self.stub("bff"), self.stub("ops")

    def stub(self, service: str, role: str = "", person: UUID | None = None) -> Any:
        token = self._token(role, subject=person) if role else None
        return booking_pb2_grpc.BookingServiceStub(self._create_channel(service, token))

    def student(self, person: object) -> Any:
        return self.stub("bff", "student", UUID(str(person)))

    def tutor(self, person: object) -> Any:
        return self.stub("bff", "tutor", UUID(str(person)))

    async def create(self, request: pb.CreateBookingRequest) -> pb.Booking:
        return (await self.payment.CreateBooking(request, timeout=TIMEOUT)).booking

    async def confirm(self, request: pb.CreateBookingRequest) -> pb.Booking:
        wanted = pb.ConfirmBookingRequest(booking_id=request.booking_id, saga_id=request.saga_id)
        return (await self.payment.ConfirmBooking(wanted, timeout=TIMEOUT)).booking

    async def end(
        self, request: pb.CreateBookingRequest, status: Any = pb.BOOKING_STATUS_CANCELLED, reason: str = ""
    ) -> int:
        wanted = pb.EndBookingRequest(
            booking_id=request.booking_id, saga_id=request.saga_id, status=status, reason=reason
        )
        return (await self.payment.EndBooking(wanted, timeout=TIMEOUT)).status

    async def get(self, booking_id: str, stub: Any = None) -> pb.GetBookingResponse:
        return await (stub or self.bff).GetBooking(pb.GetBookingRequest(booking_id=booking_id), timeout=TIMEOUT)


@pytest.fixture(scope="module")
def mesh(grpc_create_channel: Callable[..., grpc.aio.Channel], token: Callable[..., str]) -> Mesh:
    return Mesh(grpc_create_channel, token)


@pytest.fixture(scope="session")
def booking_request() -> Callable[..., pb.CreateBookingRequest]:
    """`booking_request(**changed)`: a valid request with new people and new ids."""

    def make(**changed: Any) -> pb.CreateBookingRequest:
        names = "booking_id saga_id tutor_id student_id availability_block_id session_id payment_id".split()
        values: dict[str, Any] = {name: str(uuid4()) for name in names}
        values |= {
            "start_time": to_proto(EARLIEST.replace(year=2030, hour=10)),
            "end_time": to_proto(EARLIEST.replace(year=2030, hour=11)),
            "hold_expires_at": to_proto(EARLIEST.replace(year=2029)),
            "price": Money(amount_minor=5000, currency="USD"),
            "purpose": "fractions",
        }
        return pb.CreateBookingRequest(**(values | changed))

    return make
