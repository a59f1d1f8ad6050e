"""learning_svc behind a real gRPC server on a real database, and people who call it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import grpc
import pytest
import pytest_asyncio

from learning_svc.domain import Limits, Terms
from learning_svc.servicer import LearningServicer
from learning_svc.store import VIOLATIONS
from mesh.changes import Changes
from mesh.database import Database
from tutormesh.common.v1.money_pb2 import Money
from tutormesh.learning.v1 import learning_pb2 as pb
from tutormesh.learning.v1 import learning_pb2_grpc

TIMEOUT = 10
#: The defaults of the settings.
LIMITS = Limits(unpaid=3, lapses=5, pause=timedelta(minutes=15), courses=1000)
TERMS = Terms(hold=timedelta(minutes=30), grace=timedelta(seconds=20), limits=LIMITS)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def database_url(make_database: Any) -> str:
    return await make_database("learning_svc")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, name="learning", violations=VIOLATIONS) as database:
        yield database


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def changes(database_url: str) -> AsyncIterator[Changes]:
    async with Changes(database_url, "enrollment") as changes:
        yield changes


@pytest.fixture(scope="module")
def grpc_servicer(database: Database, changes: Changes) -> LearningServicer:
    return LearningServicer(database, TERMS, changes)


@pytest.fixture(scope="module")
def grpc_add_to_server() -> Any:
    return learning_pb2_grpc.add_LearningServiceServicer_to_server


@pytest.fixture(scope="module")
def grpc_stub_cls() -> Any:
    return learning_pb2_grpc.LearningServiceStub


@pytest.fixture(scope="module")
def grpc_descriptor() -> Any:
    return pb.DESCRIPTOR.services_by_name["LearningService"]


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


class School:
    """The service as its callers see it: `payment` sells seats, `bff` and `ops` act for people or for themselves."""

    def __init__(self, create_channel: Callable[..., grpc.aio.Channel], token: Callable[..., str]) -> None:
        self._create_channel, self._token = create_channel, token
        self.payment, self.bff, self.ops = self.stub("payment"), self.stub("bff"), self.stub("ops")

    def stub(self, service: str, role: str = "", person: object = None) -> Any:
        token = self._token(role, subject=person) if role else None
        return learning_pb2_grpc.LearningServiceStub(self._create_channel(service, token))

    def student(self, person: object) -> Any:
        return self.stub("bff", "student", person)

    def tutor(self, person: object) -> Any:
        return self.stub("bff", "tutor", person)

    def draft_request(self, **changed: Any) -> pb.CreateCourseRequest:
        values = {"course_id": str(uuid4()), "instructor_id": str(uuid4()), "title": "Fractions"}
        return pb.CreateCourseRequest(**values | {"price": Money(amount_minor=5000, currency="USD")} | changed)

    async def create(self, stub: Any = None, **changed: Any) -> pb.Course:
        """Create a draft, by a new instructor unless one is given."""
        return (await (stub or self.bff).CreateCourse(self.draft_request(**changed), timeout=TIMEOUT)).course

    async def publish(self, course_id: str, stub: Any = None) -> pb.Course:
        request = pb.PublishCourseRequest(course_id=course_id)
        return (await (stub or self.bff).PublishCourse(request, timeout=TIMEOUT)).course

    async def course(self, seats: int = 0, **changed: Any) -> pb.Course:
        """Create and publish a course."""
        return await self.publish((await self.create(seats=seats, **changed)).id)

    async def get_course(self, course_id: str, stub: Any = None) -> pb.Course:
        return (await (stub or self.ops).GetCourse(pb.GetCourseRequest(course_id=course_id), timeout=TIMEOUT)).course

    def order(self, course_id: str, /, **changed: Any) -> pb.HoldSeatRequest:
        """The order of a seat for a new student, under a new saga."""
        names = ("saga_id", "enrollment_id", "student_id", "payment_id")
        return pb.HoldSeatRequest(**{name: str(uuid4()) for name in names} | {"course_id": course_id} | changed)

    async def hold(self, order: pb.HoldSeatRequest) -> pb.HoldSeatResponse:
        return await self.payment.HoldSeat(order, timeout=TIMEOUT)

    async def hold_new(self, course_id: str, **changed: Any) -> pb.HoldSeatRequest:
        """Order a seat, and return the order."""
        order = self.order(course_id, **changed)
        await self.hold(order)
        return order

    async def sell_new(self, course_id: str, **changed: Any) -> pb.HoldSeatRequest:
        """Order a seat, activate its enrollment, and return the order."""
        order = await self.hold_new(course_id, **changed)
        await self.activate(order)
        return order

    async def activate(self, order: pb.HoldSeatRequest) -> pb.Enrollment:
        request = pb.CreateEnrollmentRecordRequest(enrollment_id=order.enrollment_id, saga_id=order.saga_id)
        return (await self.payment.CreateEnrollmentRecord(request, timeout=TIMEOUT)).enrollment

    async def end(self, order: pb.HoldSeatRequest, status: Any = pb.ENROLLMENT_STATUS_CANCELLED) -> None:
        request = pb.EndEnrollmentRequest(enrollment_id=order.enrollment_id, saga_id=order.saga_id, status=status)
        await self.payment.EndEnrollment(request, timeout=TIMEOUT)

    async def cancel(self, order: pb.HoldSeatRequest) -> None:
        request = pb.CancelEnrollmentRequest(enrollment_id=order.enrollment_id, saga_id=order.saga_id)
        await self.payment.CancelEnrollment(request, timeout=TIMEOUT)

    async def enrollment(self, order: pb.HoldSeatRequest, stub: Any = None) -> pb.Enrollment:
        request = pb.GetEnrollmentRequest(enrollment_id=order.enrollment_id)
        return (await (stub or self.bff).GetEnrollment(request, timeout=TIMEOUT)).enrollment


@pytest.fixture(scope="module")
def school(grpc_create_channel: Callable[..., grpc.aio.Channel], token: Callable[..., str]) -> School:
    return School(grpc_create_channel, token)


class Ledger:
    """The stored rows of seats; and `lapse`, which lets the time of a hold pass."""

    def __init__(self, sql: asyncpg.Connection) -> None:
        self.sql = sql

    async def count_taken_seats(self, course_id: str) -> int:
        """The course's count of taken seats, after an assertion that its enrollments hold as many."""
        row = await self.sql.fetchrow(
            "select seats_taken, (select count(*) from enrollment where course_id = course.id and holds_seat) as held"
            " from course where id = $1",
            UUID(course_id),
        )
        assert row["seats_taken"] == row["held"]
        return row["held"]

    async def row(self, order: pb.HoldSeatRequest) -> asyncpg.Record | None:
        """The only row with the ids of an order."""
        rows = await self.sql.fetch(
            "select * from enrollment where id = $1 or saga_id = $2", order.enrollment_id, order.saga_id
        )
        assert len(rows) <= 1
        return rows[0] if rows else None

    async def lapse(self, order: pb.HoldSeatRequest, *, ago: timedelta = timedelta(hours=1)) -> None:
        """Move the end of a hold to this long ago."""
        move = "update enrollment set hold_expires_at = clock_timestamp() - $2::interval where id = $1"
        assert await self.sql.execute(move, order.enrollment_id, ago) == "UPDATE 1"

    async def move_back(self, student: str, by: timedelta) -> None:
        """Let it be so much longer ago that a student's enrollments were made and ended."""
        async with self.sql.transaction():
            await self.sql.execute("set local session_replication_role = replica")  # the trigger refuses a second end
            ago = "updated_at = updated_at - $2::interval, created_at = created_at - $2::interval"
            await self.sql.execute(f"update enrollment set {ago} where student_id = $1", UUID(student), by)

    async def waiters(self) -> int:
        """The number of connections that wait for a lock in this database."""
        return await self.sql.fetchval("""
            select count(distinct l.pid) from pg_locks l join pg_stat_activity a using (pid)
            where not granted and a.datname = current_database()
        """)


@pytest.fixture
def ledger(sql: asyncpg.Connection) -> Ledger:
    return Ledger(sql)
