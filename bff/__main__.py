"""The edge as a process: `python -m bff`."""

from __future__ import annotations

import uvloop

from bff.app import build
from bff.http.draining import Drain
from bff.http.server import serve
from bff.peers import Peers
from bff.settings import Settings
from mesh import logs, tracing
from mesh.identity import KeySet, Verifier
from mesh.metrics.exposition import serving
from mesh.settings import load, read_environment


async def main() -> None:
    settings = load(Settings)
    logs.configure("bff", settings.log_format)
    tracing.configure("bff", read_environment())
    verifier = Verifier(KeySet(settings.auth_jwks_url), settings.auth_issuer, settings.auth_audience)
    async with Peers(settings, settings.credentials()) as peers, serving(settings, "bff"):
        drain = Drain()
        await serve(build(peers, verifier, options=settings.options(), drain=drain), settings, drain)


if __name__ == "__main__":
    uvloop.run(main())
