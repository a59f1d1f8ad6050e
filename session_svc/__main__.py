"""session_svc as a process: `python -m session_svc`."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import uvloop

from mesh import logs, tracing
from mesh.database import Database
from mesh.database_watch import Watch
from mesh.identity import KeySet, Verifier
from mesh.metrics.exposition import serving
from mesh.server import Server, Service, serve
from mesh.settings import load, read_environment
from session_svc.convert import Encoder
from session_svc.servicer import SessionServicer
from session_svc.sessions import Sessions
from session_svc.settings import Settings
from session_svc.store import VIOLATIONS, Store
from session_svc.worker import Completer
from tutormesh.session.v1 import session_pb2, session_pb2_grpc


async def main() -> None:
    settings = load(Settings)
    logs.configure("session", settings.log_format)
    tracing.configure("session", read_environment())
    verifier = Verifier(KeySet(settings.auth_jwks_url), settings.auth_issuer, settings.auth_audience)
    async with (
        Database(
            settings.database_url, name="session", violations=VIOLATIONS, pooler=settings.database_pooler
        ) as database,
        serving(settings, "session", database),
    ):
        store = Store(database)
        service = Service(
            session_pb2.DESCRIPTOR.services_by_name["SessionService"],
            session_pb2_grpc.add_SessionServiceServicer_to_server,
            SessionServicer(Sessions(store), Encoder(settings.meeting_link_template)),
        )
        completer = Completer(store, timedelta(minutes=settings.complete_after_minutes))
        completing = asyncio.create_task(completer.run())
        try:
            await serve(Server(settings, verifier, [service]), watch=Watch(database).run)
        finally:
            completing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await completing


if __name__ == "__main__":
    uvloop.run(main())
