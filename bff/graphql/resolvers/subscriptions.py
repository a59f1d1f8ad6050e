"""What can be listened to."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from ariadne import SubscriptionType

from bff.graphql import booking_watch, convert
from bff.graphql.context import Info
from bff.graphql.convert import Shape
from bff.graphql.errors import typed
from mesh.errors import CallFailed, Refusal
from tutormesh.booking.v1 import booking_pb2

subscription = SubscriptionType()


@subscription.source("bookingUpdated")
async def booking_changes(_: None, info: Info, **arguments: Any) -> AsyncGenerator[booking_pb2.Booking, None]:
    try:
        async with aclosing(booking_watch.changes(info.context.mesh, arguments["bookingId"])) as bookings:
            async for booking in bookings:
                yield booking
    except (Refusal, CallFailed) as error:
        raise typed(error, info) from error


@subscription.field("bookingUpdated")
def booking_updated(booking: booking_pb2.Booking, _: Info, **__: Any) -> Shape:
    return convert.booking(booking)
