"""A real availability service on a real database, and the `desk`, which makes calls with default arguments."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from availability_svc.domain import Span
from availability_svc.limits import Limits, Terms
from availability_svc.servicer import AvailabilityServicer
from availability_svc.store import VIOLATIONS, ScheduleStore
from availability_svc.worker import BookingHoldCleanupJob
from mesh.clock import to_proto
from mesh.database import Database
from mesh.errors import Refusal
from mesh.statements import text
from tests.statements import sent_by
from tutormesh.availability.v1 import availability_pb2 as pb2
from tutormesh.availability.v1 import availability_pb2_grpc
from tutormesh.common.v1.money_pb2 import Money

TIMEOUT = 20
GRACE = timedelta(seconds=20)
#: The defaults of the settings.
LIMITS = Limits(
    holds=3,
    minutes=480,
    minutes_with_one_tutor=240,
    minutes_of_a_tutor=2400,
    lapses=5,
    pause=timedelta(minutes=15),
    blocks=1000,
)
#: A Monday, 00:00 UTC, months ahead of whenever this runs.
_AHEAD = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=100)
MONDAY = _AHEAD - timedelta(days=_AHEAD.weekday())
WEEKDAYS = range(pb2.WEEKDAY_MONDAY, pb2.WEEKDAY_SUNDAY + 1)


async def reason_of(call: Awaitable[Any]) -> str:
    """The reason that a call is refused with. Tests compare reasons, because several services define the same one."""
    with pytest.raises(Refusal) as refusal:
        await call
    return refusal.value.reason


async def wait_until(holds: Callable[[], Any], seconds: float = 10) -> None:
    """Poll a state, with a deadline."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - the state is in another process
            await asyncio.sleep(0.01)


@dataclass
class Desk:
    """Each method is one RPC with defaults; `sql`, `claims`, `lapse`, `begin` and `overlaps` use the database."""

    payment: Any
    bff: Any
    ops: Any
    database: Database
    troubles: list[str] = field(default_factory=list)

    async def publish(self, tutor: uuid.UUID | None = None, weekly: Any = None, **changes: Any) -> uuid.UUID:
        tutor = tutor or uuid.uuid4()
        windows = [(day, "00:00", "24:00") for day in WEEKDAYS] if weekly is None else weekly
        values = {
            "tutor_id": str(tutor),
            "timezone": "UTC",
            "weekly": [pb2.WeeklyWindow(weekday=day, start=start, end=end) for day, start, end in windows],
            "rate": Money(amount_minor=5000, currency="USD"),
        }
        request = pb2.PublishAvailabilityRequest(**(values | changes))
        await self.bff.PublishAvailability(request, timeout=TIMEOUT)
        return tutor

    async def hold(
        self,
        tutor: uuid.UUID,
        start: datetime,
        student: uuid.UUID | None = None,
        saga: uuid.UUID | None = None,
        minutes: int = 60,
        **expected: str,
    ) -> Any:
        request = pb2.HoldSlotRequest(
            saga_id=str(saga or uuid.uuid4()),
            tutor_id=str(tutor),
            student_id=str(student or uuid.uuid4()),
            start=to_proto(start),
            duration_minutes=minutes,
            **expected,
        )
        return await self.payment.HoldSlot(request, timeout=TIMEOUT)

    async def confirm(self, saga: uuid.UUID) -> Any:
        return await self.payment.ConfirmSlot(pb2.ConfirmSlotRequest(saga_id=str(saga)), timeout=TIMEOUT)

    async def release(self, saga: uuid.UUID) -> None:
        await self.payment.ReleaseSlot(pb2.ReleaseSlotRequest(saga_id=str(saga)), timeout=TIMEOUT)

    async def slots(self, tutor: uuid.UUID, start: datetime, end: datetime, minutes: int = 60) -> list[datetime]:
        request = pb2.ListSlotsRequest(tutor_id=str(tutor), to=to_proto(end), duration_minutes=minutes)
        getattr(request, "from").CopyFrom(to_proto(start))
        answer = await self.bff.ListSlots(request, timeout=TIMEOUT)
        return [slot.start.ToDatetime(tzinfo=UTC) for slot in answer.slots]

    async def block(
        self, tutor: uuid.UUID, *spans: tuple[datetime, datetime], request: uuid.UUID | str = "", stub: Any = None
    ) -> list[Any]:
        blocks = [pb2.TimeBlock(start=to_proto(start), end=to_proto(end)) for start, end in spans]
        message = pb2.BlockTimeRequest(tutor_id=str(tutor), blocks=blocks, request_id=str(request))
        return list((await (stub or self.bff).BlockTime(message, timeout=TIMEOUT)).blocks)

    async def remove(self, tutor: uuid.UUID, block: str, stub: Any = None) -> None:
        message = pb2.RemoveBlockRequest(tutor_id=str(tutor), block_id=block)
        await (stub or self.bff).RemoveBlock(message, timeout=TIMEOUT)

    async def busy(self, tutor: uuid.UUID, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
        """The claimed time of a tutor, as a listing reads it."""
        found = await self.database.transaction(
            lambda connection: ScheduleStore(connection).read_busy(tutor, Span(start, end), GRACE)
        )
        assert found is not None
        return [(span.start, span.end) for span in found[1]]

    async def sql(self, statement: str, **values: Any) -> list[Any]:
        async def run(connection: Any) -> list[Any]:
            return list(await connection.execute(text(statement), values))

        return await self.database.statement(run)

    async def claims(self, saga: uuid.UUID) -> list[tuple[str, str]]:
        """(role, state) of a saga's claims."""
        rows = await self.sql("select role, state from claim where saga_id = :saga order by role desc", saga=saga)
        return [tuple(row) for row in rows]

    async def lapse(self, saga: uuid.UUID, ago: timedelta = GRACE + timedelta(seconds=1)) -> None:
        """Move the end of a hold to this long ago."""
        values = {"saga": saga, "ago": ago}
        await self.sql(
            "update hold set expires_at = clock_timestamp() - cast(:ago as interval) where saga_id = :saga", **values
        )
        await self.sql(
            "update claim set expires_at = clock_timestamp() - cast(:ago as interval) where saga_id = :saga", **values
        )

    async def begin(self, saga: uuid.UUID, ago: timedelta = timedelta(hours=1)) -> None:
        """Move the start of a hold's lesson, and the end of the hold, to this long ago."""
        await self.lapse(saga, ago)
        span = "start_at = clock_timestamp() - cast(:ago as interval), end_at = clock_timestamp() + interval '1 hour'"
        await self.sql(f"update hold set {span} where saga_id = :saga", saga=saga, ago=ago)

    async def overlaps(self) -> int:
        """The number of pairs of claims on one calendar that overlap; it does not rely on the constraint."""
        query = """select count(*) from claim a join claim b
            on a.calendar_id = b.calendar_id and a.id < b.id and a.during && b.during"""
        return (await self.sql(query))[0][0]


@pytest.fixture(scope="module")
def monday() -> datetime:
    return MONDAY


@pytest.fixture(scope="module")
def reason() -> Callable[[Awaitable[Any]], Awaitable[str]]:
    return reason_of


@pytest.fixture(scope="module")
def terms() -> Terms:
    return Terms(hold=timedelta(minutes=30), grace=GRACE, limits=LIMITS)


@pytest_asyncio.fixture(scope="module")
async def database(make_database: Callable[[str], Awaitable[str]]) -> AsyncIterator[Database]:
    url = await make_database("availability_svc")
    async with Database(url, name="availability-test", violations=VIOLATIONS) as database:
        yield database


@pytest.fixture(scope="module")
def troubles(database: Database) -> Iterator[list[str]]:
    """The SQLSTATEs of the errors that the service got from PostgreSQL, in order."""
    with sent_by(database) as sent:
        yield sent.errors


@pytest.fixture(scope="module")
def grpc_servicer(database: Database, terms: Terms) -> AvailabilityServicer:
    return AvailabilityServicer(database, terms, BookingHoldCleanupJob(database, terms.grace))


@pytest.fixture(scope="module")
def grpc_add_to_server() -> Any:
    return availability_pb2_grpc.add_AvailabilityServiceServicer_to_server


@pytest.fixture(scope="module")
def grpc_stub_cls() -> Any:
    return availability_pb2_grpc.AvailabilityServiceStub


@pytest.fixture(scope="module")
def grpc_descriptor() -> Any:
    return pb2.DESCRIPTOR.services_by_name["AvailabilityService"]


@pytest.fixture(scope="module")
def stub_as(grpc_create_channel: Any, grpc_stub_cls: Any) -> Callable[..., Any]:
    """`stub_as("bff", person_token)`: a stub as that caller."""
    return lambda service, person_token=None: grpc_stub_cls(grpc_create_channel(service, person_token))


@pytest.fixture(scope="module")
def desk(stub_as: Callable[..., Any], database: Database, troubles: list[str]) -> Desk:
    return Desk(stub_as("payment"), stub_as("bff"), stub_as("ops"), database, troubles)
