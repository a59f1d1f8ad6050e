"""booking_svc as a process: `python -m booking_svc`."""

from __future__ import annotations

import uvloop

from booking_svc.bookings import Bookings
from booking_svc.servicer import BookingServicer
from booking_svc.settings import Settings
from booking_svc.store import VIOLATIONS, Store
from mesh import logs, tracing
from mesh.changes import MAX_WATCHERS, Changes
from mesh.database import Database
from mesh.database_watch import Watch
from mesh.identity import KeySet, Verifier
from mesh.metrics.exposition import serving
from mesh.server import Server, Service, serve
from mesh.settings import load, read_environment
from mesh.watches import Watches
from tutormesh.booking.v1 import booking_pb2, booking_pb2_grpc


async def main() -> None:
    settings = load(Settings)
    logs.configure("booking", settings.log_format)
    tracing.configure("booking", read_environment())
    verifier = Verifier(KeySet(settings.auth_jwks_url), settings.auth_issuer, settings.auth_audience)
    async with (
        Database(
            settings.database_url, name="booking", violations=VIOLATIONS, pooler=settings.database_pooler
        ) as database,
        Changes(settings.listen_url, "booking") as changes,
        serving(settings, "booking", database),
    ):
        bookings = Bookings(Store(database))
        service = Service(
            booking_pb2.DESCRIPTOR.services_by_name["BookingService"],
            booking_pb2_grpc.add_BookingServiceServicer_to_server,
            BookingServicer(bookings, Watches(bookings, changes)),
        )
        # Each watcher is a stream. As many may wait as `Changes` admits; calls have a limit of their own.
        server = Server(settings, verifier, [service], max_streams=MAX_WATCHERS)
        await serve(server, watch=Watch(database).run, stopping=changes.stop)


if __name__ == "__main__":
    uvloop.run(main())
