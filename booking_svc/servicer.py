"""BookingService: each method decodes a request, calls a use case and encodes the response."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from booking_svc import convert
from booking_svc.bookings import Bookings
from booking_svc.domain import Booking
from mesh import wire
from mesh.row_stamps import MOST_IDS
from mesh.watches import Watches
from tutormesh.booking.v1 import booking_pb2 as pb
from tutormesh.booking.v1 import booking_pb2_grpc


class BookingServicer(booking_pb2_grpc.BookingServiceServicer):
    """The promises of each RPC are in booking.proto."""

    def __init__(self, bookings: Bookings, watches: Watches[Booking]) -> None:
        self._bookings, self._watches = bookings, watches

    async def CreateBooking(self, request: pb.CreateBookingRequest, context: Any) -> pb.CreateBookingResponse:
        booking = await self._bookings.create(*convert.ids(request), convert.details(request))
        return pb.CreateBookingResponse(booking=convert.to_booking(booking))

    async def ConfirmBooking(self, request: pb.ConfirmBookingRequest, context: Any) -> pb.ConfirmBookingResponse:
        booking = await self._bookings.confirm(*convert.ids(request))
        return pb.ConfirmBookingResponse(booking=convert.to_booking(booking))

    async def EndBooking(self, request: pb.EndBookingRequest, context: Any) -> pb.EndBookingResponse:
        status = await self._bookings.end(*convert.ids(request), *convert.end(request))
        return pb.EndBookingResponse(status=convert.to_status(status))

    async def GetBooking(self, request: pb.GetBookingRequest, context: Any) -> pb.GetBookingResponse:
        booking, events = await self._bookings.get_with_timeline(wire.uuid(request.booking_id, "booking_id"))
        return pb.GetBookingResponse(booking=convert.to_booking(booking), timeline=convert.to_timeline(events))

    async def BatchGetBookings(self, request: pb.BatchGetBookingsRequest, context: Any) -> pb.BatchGetBookingsResponse:
        found = await self._bookings.get_many(wire.uuids(request.booking_ids, "booking_ids"))
        return pb.BatchGetBookingsResponse(bookings=map(convert.to_booking, found))

    async def BatchGetTimelines(
        self, request: pb.BatchGetTimelinesRequest, context: Any
    ) -> pb.BatchGetTimelinesResponse:
        found = await self._bookings.get_many_with_timelines(wire.uuids(request.booking_ids, "booking_ids"))
        return convert.to_timelines(found)

    async def ListBookings(self, request: pb.ListBookingsRequest, context: Any) -> pb.ListBookingsResponse:
        person, size = wire.optional_uuid(request.person_id, "person_id"), convert.page_size(request)
        ids = wire.listed_ids(request.ids, person)
        if person is None:
            convert.require_no_person(request)
            if ids:
                return pb.ListBookingsResponse(bookings=map(convert.to_booking, await self._bookings.list_of(ids)))
            status = convert.status(request)
            found = await self._bookings.list_all(status, convert.cursor_by_id(request), size + 1)
            return convert.to_page(found, size, None)
        listing = convert.listing(request, person)
        found = await self._bookings.list_of_person(listing, convert.cursor(request, listing.order), size + 1)
        return convert.to_page(found, size, listing.order)

    async def ListChangedIds(self, request: pb.ListChangedIdsRequest, context: Any) -> pb.ListChangedIdsResponse:
        size = wire.page_size(request.page_size, MOST_IDS, MOST_IDS)
        found = await self._bookings.list_changed_ids(request.mark, request.page_token, size)
        return pb.ListChangedIdsResponse(**asdict(found))

    async def WatchBooking(
        self, request: pb.WatchBookingRequest, context: Any
    ) -> AsyncIterator[pb.WatchBookingResponse]:
        async with aclosing(self._watches.watch(wire.uuid(request.booking_id, "booking_id"))) as bookings:
            async for booking in bookings:
                yield pb.WatchBookingResponse(booking=convert.to_booking(booking))
