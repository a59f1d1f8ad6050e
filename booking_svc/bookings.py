"""Bookings: create, confirm and end them, each safe to repeat; and read those that the caller may see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from booking_svc.domain import ENDS, Booking, Details, Event, Listing, Status, Tombstone, check_move
from booking_svc.store import Record, Store
from mesh import calls
from mesh.errors import BadInput, Cancelled, Forbidden, NotFound
from mesh.row_stamps import ChangedIds


class Bookings:
    """The use cases of booking records."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, booking_id: UUID, saga_id: UUID, details: Details) -> Booking:
        """Create the booking; a repeat returns it as it is now.

        Raises Cancelled when the booking has ended, BadInput when the ids belong to another booking or saga.
        """
        record = await self._store.create(booking_id, saga_id, details)
        _must_match(record, booking_id, saga_id)
        if record.status in ENDS or isinstance(record, Tombstone):
            raise Cancelled
        return record

    async def confirm(self, booking_id: UUID, saga_id: UUID) -> Booking:
        """Confirm the booking; a repeat changes nothing. Raises NotFound, IllegalMove when it has ended."""
        record = await self._store.confirm(booking_id, saga_id)
        if record is None or record.saga_id != saga_id:
            raise NotFound
        check_move(record.status, Status.CONFIRMED)
        return _must_exist(record)

    async def end(self, booking_id: UUID, saga_id: UUID, status: Status, reason: str) -> Status:
        """End the booking and return its end; the first end stays. An unknown booking gets a tombstone.

        Raises IllegalMove, BadInput when another saga sells it.
        """
        record = await self._store.end(booking_id, saga_id, status, reason)
        _must_match(record, booking_id, saga_id)
        return check_move(record.status, status)

    async def get(self, booking_id: UUID) -> Booking:
        """The caller's booking. Raises NotFound, also for another person's."""
        return _must_be_visible(await self._store.find(booking_id))

    async def get_with_timeline(self, booking_id: UUID) -> tuple[Booking, list[Event]]:
        """The caller's booking with its history. Raises NotFound, also for another person's."""
        for booking, events in await self.get_many_with_timelines([booking_id]):
            return booking, events
        raise NotFound

    async def get_many(self, booking_ids: Sequence[UUID]) -> list[Booking]:
        """The caller's bookings among these ids, in no order."""
        return [booking for booking in await self._store.find_many(booking_ids) if _is_visible(booking)]

    async def get_many_with_timelines(self, booking_ids: Sequence[UUID]) -> list[tuple[Booking, list[Event]]]:
        """The caller's bookings among these ids, in no order, each with its history."""
        found = await self._store.find_timelines(booking_ids)
        return [(record, events) for record, events in found if isinstance(record, Booking) and _is_visible(record)]

    async def list_of_person(self, listing: Listing, behind: tuple[datetime, UUID] | None, most: int) -> list[Booking]:
        """A person's bookings. Raises Forbidden unless the caller speaks for that person."""
        calls.current().must_speak_for(listing.person)
        return await self._store.list_of_person(listing, behind, most)

    async def list_all(self, status: str | None, after_id: UUID | None, most: int) -> list[Booking]:
        """Everybody's bookings, in id order. Raises Forbidden unless ops calls on its own behalf."""
        _must_be_ops()
        return await self._store.list_all(status, after_id, most)

    async def list_of(self, ids: Sequence[UUID]) -> list[Booking]:
        """Everybody's bookings that have one of these ids or sagas. Raises Forbidden unless ops calls on its own behalf."""
        _must_be_ops()
        return await self._store.list_of(ids)

    async def list_changed_ids(self, mark: str, token: str, most: int) -> ChangedIds:
        """The ids of sagas whose bookings have changed since the mark. Raises BadInput."""
        return await self._store.stamps.list_ids(mark, token, most)


def _must_be_ops() -> None:
    call = calls.current()
    if call.person is not None or call.service != "ops":
        raise Forbidden("only ops, on its own behalf, lists everybody's")


def _must_match(record: Record, booking_id: UUID, saga_id: UUID) -> None:
    if record.id != booking_id or record.saga_id != saga_id:
        raise BadInput("belongs to another booking", field="saga_id")


def _must_exist(record: Record | None) -> Booking:
    """The booking in a record. Raises NotFound for a tombstone."""
    if not isinstance(record, Booking):
        raise NotFound
    return record


def _must_be_visible(record: Record | None) -> Booking:
    booking = _must_exist(record)
    if not _is_visible(booking):
        raise NotFound
    return booking


def _is_visible(booking: Booking) -> bool:
    """True when the caller is the student, the tutor, an admin or a service."""
    return calls.current().speaks_for(booking.details.student_id, booking.details.tutor_id)
