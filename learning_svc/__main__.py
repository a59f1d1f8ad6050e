"""learning_svc as a process: `python -m learning_svc`."""

from __future__ import annotations

import uvloop

from learning_svc.servicer import LearningServicer
from learning_svc.settings import Settings
from learning_svc.store import VIOLATIONS
from mesh import logs, tracing
from mesh.changes import MAX_WATCHERS, Changes
from mesh.database import Database
from mesh.database_watch import Watch
from mesh.identity import KeySet, Verifier
from mesh.metrics.exposition import serving
from mesh.server import Server, Service, serve
from mesh.settings import load, read_environment
from tutormesh.learning.v1 import learning_pb2, learning_pb2_grpc


async def main() -> None:
    settings = load(Settings)
    logs.configure("learning", settings.log_format)
    tracing.configure("learning", read_environment())
    verifier = Verifier(KeySet(settings.auth_jwks_url), settings.auth_issuer, settings.auth_audience)
    async with (
        Database(
            settings.database_url, name="learning", violations=VIOLATIONS, pooler=settings.database_pooler
        ) as database,
        Changes(settings.listen_url, "enrollment") as changes,
        serving(settings, "learning", database),
    ):
        service = Service(
            learning_pb2.DESCRIPTOR.services_by_name["LearningService"],
            learning_pb2_grpc.add_LearningServiceServicer_to_server,
            LearningServicer(database, settings.terms, changes),
        )
        # Each watcher is a stream. As many may wait as `Changes` admits; calls have a limit of their own.
        server = Server(settings, verifier, [service], max_streams=MAX_WATCHERS)
        await serve(server, watch=Watch(database).run, stopping=changes.stop)


if __name__ == "__main__":
    uvloop.run(main())
