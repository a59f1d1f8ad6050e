"""Bookings: create, confirm, end, each safe to repeat; and who may read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from booking_svc.domain import ENDS, Booking, Details, Event, Status, Tombstone, after
from booking_svc.store import Record, Store
from mesh import calls
from mesh.errors import BadInput, Cancelled, Forbidden, NotFound


class Bookings:
    """The use cases of booking records."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, booking_id: UUID, saga_id: UUID, details: Details) -> Booking:
        """The booking as it is now: made, or made before. Raises Cancelled once it has ended, BadInput."""
        record = await self._store.create(booking_id, saga_id, details)
        _must_fit(record, booking_id, saga_id)
        if record.status in ENDS or isinstance(record, Tombstone):
            raise Cancelled
        return record

    async def confirm(self, booking_id: UUID, saga_id: UUID) -> Booking:
        """The booking confirmed, now or before. Raises NotFound, IllegalMove when it has ended."""
        record = await self._store.confirm(booking_id, saga_id)
        if record is None or record.saga_id != saga_id:
            raise NotFound
        after(record.status, Status.CONFIRMED)
        return _there(record)

    async def end(self, booking_id: UUID, saga_id: UUID, status: Status, reason: str) -> Status:
        """How it ended, which is the first end. Raises IllegalMove, BadInput when another saga sells it."""
        record = await self._store.end(booking_id, saga_id, status, reason)
        _must_fit(record, booking_id, saga_id)
        return after(record.status, status)

    async def get(self, booking_id: UUID) -> Booking:
        """A booking of the caller's. Raises NotFound, also for another person's."""
        return _shown(await self._store.find(booking_id))

    async def timeline(self, booking_id: UUID) -> tuple[Booking, list[Event]]:
        """A booking of the caller's with its history. Raises NotFound, also for another person's."""
        for booking, events in await self.timelines([booking_id]):
            return booking, events
        raise NotFound

    async def these(self, booking_ids: Sequence[UUID]) -> list[Booking]:
        """Those of the bookings that are the caller's, in no order."""
        return [booking for booking in await self._store.find_these(booking_ids) if _is_shown(booking)]

    async def timelines(self, booking_ids: Sequence[UUID]) -> list[tuple[Booking, list[Event]]]:
        """Those of the bookings that are the caller's, in no order, each with its history."""
        found = await self._store.timelines(booking_ids)
        return [(record, events) for record, events in found if isinstance(record, Booking) and _is_shown(record)]

    async def of_person(
        self, person: UUID, status: str | None, before: tuple[datetime, UUID] | None, most: int
    ) -> list[Booking]:
        """Bookings of a person, newest first. Raises Forbidden unless the caller speaks for them."""
        calls.current().must_speak_for(person)
        return await self._store.of_person(person, status, before, most)

    async def everybodys(self, status: str | None, after_id: UUID | None, most: int) -> list[Booking]:
        """All bookings, in id order. Raises Forbidden unless ops asks on its own behalf."""
        call = calls.current()
        if call.person is not None or call.service != "ops":
            raise Forbidden("only ops, on its own behalf, lists everybody's")
        return await self._store.all(status, after_id, most)


def _must_fit(record: Record, booking_id: UUID, saga_id: UUID) -> None:
    if record.id != booking_id or record.saga_id != saga_id:
        raise BadInput("belongs to another booking", field="saga_id")


def _there(record: Record | None) -> Booking:
    """A booking that exists: a tombstone is nothing."""
    if not isinstance(record, Booking):
        raise NotFound
    return record


def _shown(record: Record | None) -> Booking:
    booking = _there(record)
    if not _is_shown(booking):
        raise NotFound
    return booking


def _is_shown(booking: Booking) -> bool:
    """Another person's booking is nothing."""
    return calls.current().speaks_for(booking.details.student_id, booking.details.tutor_id)
