"""Reads by id that come together: what a request asks for in the same moment is asked for in one call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar

from aiodataloader import DataLoader
from google.protobuf.message import Message

from bff.peers import Peers
from mesh import wire
from mesh.errors import NotFound
from tutormesh.booking.v1 import booking_pb2
from tutormesh.common.v1 import timeline_pb2
from tutormesh.learning.v1 import learning_pb2
from tutormesh.payment.v1 import payment_pb2
from tutormesh.session.v1 import session_pb2

#: Seconds for one read.
READ_SECONDS = 5.0

Answer = TypeVar("Answer", bound=Message, covariant=True)
Thing = TypeVar("Thing", bound=Message)


class Read(Protocol[Answer]):
    """A unary RPC of a stub."""

    def __call__(self, request: Any, /, *, timeout: float) -> Awaitable[Answer]: ...


async def read(rpc: Read[Answer], request: Message) -> Answer:
    return await rpc(request, timeout=READ_SECONDS)


class ById(Generic[Thing]):
    """Things of one kind by id, each asked for once, at most 200 in a call. Another person's thing is none."""

    def __init__(self, ask: Callable[[list[str]], Awaitable[Iterable[Thing]]], key: str = "id") -> None:
        self._ask, self._key = ask, key
        self._loader: DataLoader[str, Thing | None] = DataLoader(self._batch, max_batch_size=wire.MAX_BATCH)

    async def find(self, thing_id: str) -> Thing | None:
        """The thing; None when there is none for this person. Raises BadInput when the id is none."""
        asked = self._loader.load(str(wire.uuid(thing_id, "id")))
        asked.add_done_callback(_read_the_outcome)
        return await asyncio.shield(asked)  # one reader's cancellation is not the others'

    async def get(self, thing_id: str) -> Thing:
        """The thing. Raises NotFound, BadInput."""
        thing = await self.find(thing_id)
        if thing is None:
            raise NotFound
        return thing

    async def _batch(self, ids: list[str]) -> list[Thing | None]:
        found = {getattr(thing, self._key): thing for thing in await self._ask(ids)}
        return [found.get(one) for one in ids]


class Loaders:
    """What one request reads by id."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self.bookings = ById(self._bookings)
        self.sessions = ById(self._sessions)
        self.payments = ById(self._payments)
        self.courses = ById(self._courses)
        self.enrollments = ById(self._enrollments)
        #: What booking tells of a booking, by the booking's id.
        self.booking_timelines = ById(self._booking_timelines, "booking_id")
        #: What payment tells of it.
        self.payment_timelines = ById(self._payment_timelines, "booking_id")

    async def _bookings(self, ids: list[str]) -> Iterable[booking_pb2.Booking]:
        request = booking_pb2.BatchGetBookingsRequest(booking_ids=ids)
        return (await read(self._peers.booking.BatchGetBookings, request)).bookings

    async def _sessions(self, ids: list[str]) -> Iterable[session_pb2.Session]:
        request = session_pb2.BatchGetSessionsRequest(session_ids=ids)
        return (await read(self._peers.session.BatchGetSessions, request)).sessions

    async def _payments(self, ids: list[str]) -> Iterable[payment_pb2.Payment]:
        request = payment_pb2.BatchGetPaymentsRequest(payment_ids=ids)
        return (await read(self._peers.payment.BatchGetPayments, request)).payments

    async def _courses(self, ids: list[str]) -> Iterable[learning_pb2.Course]:
        request = learning_pb2.BatchGetCoursesRequest(course_ids=ids)
        return (await read(self._peers.learning.BatchGetCourses, request)).courses

    async def _enrollments(self, ids: list[str]) -> Iterable[learning_pb2.Enrollment]:
        request = learning_pb2.BatchGetEnrollmentsRequest(enrollment_ids=ids)
        return (await read(self._peers.learning.BatchGetEnrollments, request)).enrollments

    async def _booking_timelines(self, ids: list[str]) -> Iterable[timeline_pb2.BookingTimeline]:
        request = booking_pb2.BatchGetTimelinesRequest(booking_ids=ids)
        return (await read(self._peers.booking.BatchGetTimelines, request)).timelines

    async def _payment_timelines(self, ids: list[str]) -> Iterable[timeline_pb2.BookingTimeline]:
        request = payment_pb2.BatchGetBookingTimelinesRequest(booking_ids=ids)
        return (await read(self._peers.payment.BatchGetBookingTimelines, request)).timelines


def _read_the_outcome(asked: asyncio.Future[Any]) -> None:
    """Who asked may be gone."""
    if not asked.cancelled():
        asked.exception()
