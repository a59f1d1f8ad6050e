"""session_svc behind a real gRPC server on a real database, and people who call it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import grpc
import pytest
import pytest_asyncio

from mesh import clock
from mesh.clock import to_proto
from mesh.database import Database
from session_svc.convert import Encoder
from session_svc.servicer import SessionServicer
from session_svc.sessions import Sessions
from session_svc.store import VIOLATIONS, Store
from tutormesh.session.v1 import session_pb2 as pb
from tutormesh.session.v1 import session_pb2_grpc

TIMEOUT = 10


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def database_url(make_database: Any) -> str:
    return await make_database("session_svc")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, name="session", violations=VIOLATIONS) as database:
        yield database


@pytest.fixture(scope="module")
def grpc_servicer(database: Database) -> SessionServicer:
    return SessionServicer(Sessions(Store(database)), Encoder("https://meet.example.org/{room}"))


@pytest.fixture(scope="module")
def grpc_add_to_server() -> Any:
    return session_pb2_grpc.add_SessionServiceServicer_to_server


@pytest.fixture(scope="module")
def grpc_stub_cls() -> Any:
    return session_pb2_grpc.SessionServiceStub


@pytest.fixture(scope="module")
def grpc_descriptor() -> Any:
    return pb.DESCRIPTOR.services_by_name["SessionService"]


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
        self.payment, self.bff, self.ops = self.stub("payment"), self.stub("bff"), self.stub("ops")

    def stub(self, service: str, role: str = "", person: UUID | None = None) -> Any:
        token = self._token(role, subject=person) if role else None
        return session_pb2_grpc.SessionServiceStub(self._create_channel(service, token))

    def student(self, person: object) -> Any:
        return self.stub("bff", "student", UUID(str(person)))

    def tutor(self, person: object) -> Any:
        return self.stub("bff", "tutor", UUID(str(person)))

    async def create(self, request: pb.CreateConfirmedSessionRequest) -> pb.Session:
        return (await self.payment.CreateConfirmedSession(request, timeout=TIMEOUT)).session

    async def cancel(
        self, request: pb.CreateConfirmedSessionRequest, decided_at: datetime | None = None
    ) -> pb.CancelSessionResponse:
        wanted = pb.CancelSessionRequest(
            session_id=request.session_id, saga_id=request.saga_id, decided_at=to_proto(decided_at)
        )
        return await self.payment.CancelSession(wanted, timeout=TIMEOUT)

    async def complete(self, request: pb.CreateConfirmedSessionRequest, stub: Any = None) -> pb.Session:
        wanted = pb.CompleteSessionRequest(session_id=request.session_id)
        return (await (stub or self.ops).CompleteSession(wanted, timeout=TIMEOUT)).session

    async def get(self, session_id: str, stub: Any = None) -> pb.Session:
        return (await (stub or self.bff).GetSession(pb.GetSessionRequest(session_id=session_id), timeout=10)).session


@pytest.fixture(scope="module")
def mesh(grpc_create_channel: Callable[..., grpc.aio.Channel], token: Callable[..., str]) -> Mesh:
    return Mesh(grpc_create_channel, token)


@pytest.fixture(scope="session")
def session_request() -> Callable[..., pb.CreateConfirmedSessionRequest]:
    """`session_request(hours=…, **changed)`: a lesson of an hour that begins in so many hours, with new people."""

    def make(hours: float = 24, **changed: Any) -> pb.CreateConfirmedSessionRequest:
        values: dict[str, Any] = {
            name: str(uuid4()) for name in "session_id saga_id booking_id tutor_id student_id".split()
        }
        values |= {"scheduled_at": to_proto(clock.now() + timedelta(hours=hours)), "duration_minutes": 60}
        return pb.CreateConfirmedSessionRequest(**(values | changed))

    return make
