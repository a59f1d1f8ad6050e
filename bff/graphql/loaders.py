"""Reads by id, batched: the ids that a request needs in the same moment go to the peer in one call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar

from aiodataloader import DataLoader
from google.protobuf.message import Message

from bff.peers import READ_SECONDS, Peers
from mesh import calls, wire
from mesh.errors import NotFound
from tutormesh.booking.v1 import booking_pb2
from tutormesh.common.v1 import timeline_pb2
from tutormesh.learning.v1 import learning_pb2
from tutormesh.payment.v1 import payment_pb2
from tutormesh.session.v1 import session_pb2

Answer = TypeVar("Answer", bound=Message, covariant=True)
Thing = TypeVar("Thing", bound=Message)


class Read(Protocol[Answer]):
    """A unary RPC of a stub."""

    def __call__(self, request: Any, /, *, timeout: float) -> Awaitable[Answer]: ...


async def call_peer(rpc: Read[Answer], request: Message) -> Answer:
    return await rpc(request, timeout=READ_SECONDS)


class ById(Generic[Thing]):
    """Reads things of one kind by id: each id once, at most 200 ids a call. Another person's thing is not found."""

    def __init__(self, fetch: Callable[[list[str]], Awaitable[Iterable[Thing]]], key: str = "id") -> None:
        self._fetch, self._key = fetch, key
        self._loader: DataLoader[str, Thing | None] = DataLoader(self._fetch_batch, max_batch_size=wire.MAX_BATCH)

    async def find(self, thing_id: str) -> Thing | None:
        """The thing; None when this person has none of this id. Raises BadInput when the text is not an id."""
        answer = self._loader.load(str(wire.uuid(thing_id, "id")))
        answer.add_done_callback(_retrieve_exception)
        return await asyncio.shield(answer)  # one reader's cancellation must not cancel the others'

    async def get(self, thing_id: str) -> Thing:
        """The thing. Raises NotFound, BadInput."""
        thing = await self.find(thing_id)
        if thing is None:
            raise NotFound
        return thing

    async def _fetch_batch(self, ids: list[str]) -> list[Thing | None]:
        found = {getattr(thing, self._key): thing for thing in await self._fetch(ids)}
        return [found.get(one) for one in ids]


class Loaders:
    """The loaders of one GraphQL request."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self.bookings = ById(self._fetch_bookings)
        self.sessions = ById(self._fetch_sessions)
        self.payments = ById(self._fetch_payments)
        self.courses = ById(self._fetch_courses)
        self.enrollments = ById(self._fetch_enrollments)
        #: The booking service's part of a booking's history, by the booking's id.
        self.booking_timelines = ById(self._fetch_booking_timelines, "booking_id")
        #: The payment service's part of it.
        self.payment_timelines = ById(self._fetch_payment_timelines, "booking_id")

    async def _fetch_bookings(self, ids: list[str]) -> Iterable[booking_pb2.Booking]:
        request = booking_pb2.BatchGetBookingsRequest(booking_ids=ids)
        return (await call_peer(self._peers.booking.BatchGetBookings, request)).bookings

    async def _fetch_sessions(self, ids: list[str]) -> Iterable[session_pb2.Session]:
        request = session_pb2.BatchGetSessionsRequest(session_ids=ids)
        return (await call_peer(self._peers.session.BatchGetSessions, request)).sessions

    async def _fetch_payments(self, ids: list[str]) -> Iterable[payment_pb2.Payment]:
        request = payment_pb2.BatchGetPaymentsRequest(payment_ids=ids)
        return (await call_peer(self._peers.payment.BatchGetPayments, request)).payments

    async def _fetch_courses(self, ids: list[str]) -> Iterable[learning_pb2.Course]:
        request = learning_pb2.BatchGetCoursesRequest(course_ids=ids)
        courses = (await call_peer(self._peers.learning.BatchGetCourses, request)).courses
        # A service of the version before takes a call without a person for the edge's own, and sends drafts too.
        return [course for course in courses if course.published or calls.current().person]

    async def _fetch_enrollments(self, ids: list[str]) -> Iterable[learning_pb2.Enrollment]:
        request = learning_pb2.BatchGetEnrollmentsRequest(enrollment_ids=ids)
        return (await call_peer(self._peers.learning.BatchGetEnrollments, request)).enrollments

    async def _fetch_booking_timelines(self, ids: list[str]) -> Iterable[timeline_pb2.BookingTimeline]:
        request = booking_pb2.BatchGetTimelinesRequest(booking_ids=ids)
        return (await call_peer(self._peers.booking.BatchGetTimelines, request)).timelines

    async def _fetch_payment_timelines(self, ids: list[str]) -> Iterable[timeline_pb2.BookingTimeline]:
        request = payment_pb2.BatchGetBookingTimelinesRequest(booking_ids=ids)
        return (await call_peer(self._peers.payment.BatchGetBookingTimelines, request)).timelines


def _retrieve_exception(answer: asyncio.Future[Any]) -> None:
    """asyncio logs an exception that nobody retrieves, and every reader may have left."""
    if not answer.cancelled():
        answer.exception()
