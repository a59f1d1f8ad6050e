"""The availability service: `python -m availability_svc`."""

from __future__ import annotations

import asyncio
import contextlib

import uvloop

from availability_svc.servicer import AvailabilityServicer
from availability_svc.settings import Settings
from availability_svc.store import VIOLATIONS
from availability_svc.worker import BookingHoldCleanupJob
from mesh import logs, tracing
from mesh.database import Database
from mesh.database_watch import Watch
from mesh.identity import KeySet, Verifier
from mesh.metrics.exposition import serving
from mesh.server import Server, Service, serve
from mesh.settings import load, read_environment
from tutormesh.availability.v1 import availability_pb2, availability_pb2_grpc


async def main() -> None:
    settings = load(Settings)
    logs.configure("availability", settings.log_format)
    tracing.configure("availability", read_environment())
    verifier = Verifier(KeySet(settings.auth_jwks_url), settings.auth_issuer, settings.auth_audience)
    async with (
        Database(
            settings.database_url, name="availability", violations=VIOLATIONS, pooler=settings.database_pooler
        ) as database,
        serving(settings, "availability", database),
    ):
        cleanup = BookingHoldCleanupJob(database, settings.terms.grace, every=settings.hold_cleanup_seconds)
        service = Service(
            availability_pb2.DESCRIPTOR.services_by_name["AvailabilityService"],
            availability_pb2_grpc.add_AvailabilityServiceServicer_to_server,
            AvailabilityServicer(database, settings.terms, cleanup),
        )
        cleaning = asyncio.create_task(cleanup.run())
        try:
            await serve(Server(settings, verifier, [service]), watch=Watch(database).run)
        finally:
            cleaning.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await cleaning


if __name__ == "__main__":
    uvloop.run(main())
